//! Stands between a module and its session and remembers how far a step was when the session broke.

use std::time::Duration;

use crate::connection::{
    Attached, Become, ConnError, Connection, Endpoint, Fence, Identity, Job, JobEnd, JobId,
    JobOutput, Limit, Reply, Script, Stream, Upload,
};

use super::fate::Phase;

/// A session that is watched.
#[derive(Debug)]
pub(super) struct Tap<'a> {
    inner: &'a mut dyn Connection,
    applying: bool,
    sent: bool,
    in_job: bool,
    streamed: bool,
}

impl<'a> Tap<'a> {
    /// Watches a session.
    pub(super) fn new(inner: &'a mut dyn Connection) -> Self {
        Self {
            inner,
            applying: false,
            sent: false,
            in_job: false,
            streamed: false,
        }
    }

    /// Tells whether a stream was opened.
    pub(super) fn streamed(&self) -> bool {
        self.streamed
    }

    /// Notes that from now on something is changed.
    pub(super) fn applies(&mut self) {
        self.applying = true;
        self.sent = false;
        self.in_job = false;
    }

    /// Puts the cluster's lock around what the module changes, until the step is over.
    pub(super) fn fenced(&mut self, fence: Option<&Fence>) {
        self.inner.fence(fence);
    }

    /// Tells how far the step was.
    pub(super) fn phase(&self) -> Phase {
        match (self.applying, self.in_job, self.sent) {
            (false, ..) => Phase::Observing,
            (true, true, _) => Phase::InJob,
            (true, false, false) => Phase::Starting,
            (true, false, true) => Phase::Applying,
        }
    }

    /// Does a call; what was surely not sent does not count as sent.
    fn call<T>(
        &mut self,
        in_job: bool,
        call: impl FnOnce(&mut dyn Connection) -> Result<T, ConnError>,
    ) -> Result<T, ConnError> {
        let result = call(self.inner);
        let not_sent = result.as_ref().is_err_and(ConnError::nothing_sent);
        self.sent |= !not_sent;
        self.in_job = in_job && !not_sent;
        result
    }
}

impl Drop for Tap<'_> {
    fn drop(&mut self) {
        self.inner.fence(None);
    }
}

impl Connection for Tap<'_> {
    fn identity(&mut self, limit: Limit<'_>) -> Result<Identity, ConnError> {
        self.inner.identity(limit)
    }

    fn script(
        &mut self,
        user: Option<&Become>,
        script: &Script,
        limit: Limit<'_>,
    ) -> Result<Reply, ConnError> {
        self.call(false, |inner| inner.script(user, script, limit))
    }

    fn job(
        &mut self,
        user: Option<&Become>,
        job: &Job,
        limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<JobEnd, ConnError> {
        let before = self.sent && !self.in_job;
        let result = self.call(true, |inner| inner.job(user, job, limit, watch));
        // What was changed before the job is not undone by attaching to the job.
        self.in_job &= !before;
        result
    }

    fn start(
        &mut self,
        user: Option<&Become>,
        job: &Job,
        time: Duration,
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        self.call(true, |inner| inner.start(user, job, time, limit))
    }

    fn attach(
        &mut self,
        user: Option<&Become>,
        id: &JobId,
        limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<Attached, ConnError> {
        self.call(true, |inner| inner.attach(user, id, limit, watch))
    }

    fn put(
        &mut self,
        user: Option<&Become>,
        upload: &Upload<'_>,
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        self.call(false, |inner| inner.put(user, upload, limit))
    }

    fn get(
        &mut self,
        user: Option<&Become>,
        path: &str,
        max_bytes: u64,
        limit: Limit<'_>,
    ) -> Result<Vec<u8>, ConnError> {
        self.call(false, |inner| inner.get(user, path, max_bytes, limit))
    }

    fn stream(&mut self, to: &Endpoint, limit: Limit<'_>) -> Result<Box<dyn Stream>, ConnError> {
        self.streamed = true;
        self.call(false, |inner| inner.stream(to, limit))
    }

    fn brief_stream(
        &mut self,
        to: &Endpoint,
        limit: Limit<'_>,
    ) -> Result<Box<dyn Stream>, ConnError> {
        self.call(false, |inner| inner.brief_stream(to, limit))
    }

    #[cfg(test)]
    fn scripted_sql(
        &mut self,
        to: &Endpoint,
    ) -> Option<Box<dyn crate::connection::scripted::SqlTalk>> {
        let talk = self.inner.scripted_sql(to)?;
        (self.streamed, self.sent) = (true, true);
        Some(talk)
    }

    fn ready_streams(&mut self, limit: Limit<'_>) -> Result<(), ConnError> {
        self.inner.ready_streams(limit)
    }

    fn fence(&mut self, fence: Option<&Fence>) {
        self.inner.fence(fence);
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

/// Stands in where a step needs no session: every call is an error that names the reason.
#[derive(Debug)]
pub(super) struct NoHost;

impl NoHost {
    fn none<T>() -> Result<T, ConnError> {
        Err(ConnError::Host {
            message: "this module speaks to no host, and has no session to one".to_owned(),
        })
    }
}

impl Connection for NoHost {
    fn identity(&mut self, _limit: Limit<'_>) -> Result<Identity, ConnError> {
        Ok(Identity::default())
    }

    fn script(
        &mut self,
        _user: Option<&Become>,
        _script: &Script,
        _limit: Limit<'_>,
    ) -> Result<Reply, ConnError> {
        Self::none()
    }

    fn job(
        &mut self,
        _user: Option<&Become>,
        _job: &Job,
        _limit: Limit<'_>,
        _watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<JobEnd, ConnError> {
        Self::none()
    }

    fn start(
        &mut self,
        _user: Option<&Become>,
        _job: &Job,
        _time: Duration,
        _limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        Self::none()
    }

    fn attach(
        &mut self,
        _user: Option<&Become>,
        _id: &JobId,
        _limit: Limit<'_>,
        _watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<Attached, ConnError> {
        Self::none()
    }

    fn put(
        &mut self,
        _user: Option<&Become>,
        _upload: &Upload<'_>,
        _limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        Self::none()
    }

    fn get(
        &mut self,
        _user: Option<&Become>,
        _path: &str,
        _max_bytes: u64,
        _limit: Limit<'_>,
    ) -> Result<Vec<u8>, ConnError> {
        Self::none()
    }

    fn stream(&mut self, _to: &Endpoint, _limit: Limit<'_>) -> Result<Box<dyn Stream>, ConnError> {
        Self::none()
    }

    fn fence(&mut self, _fence: Option<&Fence>) {}

    fn reset(&mut self) {}
}
