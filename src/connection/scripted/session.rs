//! A session to a scripted host.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::waiting::Waiting;
use crate::connection::{
    Attached, Become, ConnError, Connection, End, Endpoint, Fence, Identity, Job, JobCommand,
    JobEnd, JobId, JobOutput, Limit, OnDeadline, Reply, Script, Stream, Upload,
};

use super::hosts::{Claimed, Course, ScriptedHosts, lost};
use super::talk::{Talk, Tunnel};
use super::{Call, Fault, SqlTalk, Verb, ended};

/// How long a session sleeps at a stretch: so often it looks at its deadline and the stop flag.
const SLICE: Duration = Duration::from_secs(1);

/// How long a job goes on that is not waited for.
const GOES_ON: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(super) struct Session {
    host: String,
    hosts: Arc<ScriptedHosts>,
    fence: Option<Fence>,
}

/// Returns the words that a job is known by: its shell text, its arguments, or its script's first line.
fn text_of(command: &JobCommand) -> String {
    match command {
        JobCommand::Shell { text, .. } => text.clone(),
        JobCommand::Argv(words) => {
            let words = words.iter().map(|word| String::from_utf8_lossy(word));
            words.collect::<Vec<_>>().join(" ")
        }
        JobCommand::Script { text, .. } => String::from_utf8_lossy(text).into_owned(),
    }
}

impl Session {
    pub(super) fn new(host: &str, hosts: Arc<ScriptedHosts>) -> Self {
        Self {
            host: host.to_owned(),
            hosts,
            fence: None,
        }
    }

    /// Compares the lock's token, as the host does in the same request.
    fn passes(&self) -> Result<(), ConnError> {
        let Some(fence) = &self.fence else {
            return Ok(());
        };
        self.hosts.unless_gone(&self.host)?;
        match self.hosts.answers.outdone(&self.host, fence) {
            Some(holder) => Err(ConnError::Fenced { holder }),
            None => Ok(()),
        }
    }

    fn call<'c>(&'c self, verb: Verb, text: &'c str) -> Call<'c> {
        Call {
            host: &self.host,
            verb,
            text,
        }
    }

    /// Takes a call and lets its time pass; the error breaks it off.
    fn take(&self, call: &Call<'_>, limit: Limit<'_>) -> Result<Course, ConnError> {
        if limit.stop.abandons() {
            return Err(ConnError::Stopped);
        }
        let course = self.hosts.take(call)?;
        if call.verb != Verb::Job {
            self.pass(self.hosts.time_of(call), limit)?;
        }
        Ok(course)
    }

    /// Lets time pass, as far as the limit allows.
    fn pass(&self, time: Duration, limit: Limit<'_>) -> Result<(), ConnError> {
        let until = self.hosts.now().saturating_add(time);
        let waiting = Waiting::new(limit);
        loop {
            let left = until.saturating_sub(self.hosts.now());
            if left.is_zero() {
                return Ok(());
            }
            let slice = waiting.slice(left.min(SLICE))?;
            limit.clock.wait(slice, limit.stop);
        }
    }

    /// Claims a job: the first of its id runs, a further one attaches. Returns its course if it runs.
    fn claim(&self, job: &Job, limit: Limit<'_>) -> Result<Option<Course>, ConnError> {
        let text = text_of(&job.command);
        let key = (self.host.clone(), job.id.as_str().to_owned());
        if self.hosts.lock().jobs.contains_key(&key) {
            let first = text.lines().next().unwrap_or_default();
            self.hosts.note(format!("{} attach {first}", self.host));
            self.hosts.unless_gone(&self.host)?;
            return Ok(None);
        }
        self.passes()?;
        let call = self.call(Verb::Job, &text);
        let course = self.take(&call, limit)?;
        let mut end = match course {
            Course::Fails => ended(1, ""),
            Course::Done | Course::DoneBut(_) => {
                let effects = self.hosts.effects();
                let answer = self.hosts.answers.job(&call, &effects);
                answer.ok_or_else(|| self.hosts.unexpected(&call))?
            }
        };
        match course {
            Course::DoneBut(Fault::Garbled) => {
                end.out = b"\xff\x00\x1b not what was asked".to_vec();
            }
            Course::DoneBut(Fault::DiskFull) => {
                end.out.clear();
                end.cut = true;
            }
            Course::DoneBut(Fault::CutShort) => end = ended(0, "::stagger:: begin half\n"),
            Course::Done | Course::DoneBut(_) | Course::Fails => {}
        }
        let mut takes = self.hosts.time_of(&call);
        if let Course::DoneBut(Fault::TimesOut | Fault::RebootsAfter) = course {
            takes = takes.saturating_add(GOES_ON);
        }
        let claimed = Claimed {
            end: Some(end),
            ends_at: self.hosts.now().saturating_add(takes),
            boot: self.hosts.boot(&self.host),
        };
        self.hosts.lock().jobs.insert(key, claimed);
        Ok(Some(course))
    }

    fn claimed(&self, id: &JobId) -> Option<Claimed> {
        let key = (self.host.clone(), id.as_str().to_owned());
        self.hosts.lock().jobs.get(&key).cloned()
    }

    /// Waits for a claimed job's end.
    fn follow(&self, id: &JobId, limit: Limit<'_>) -> Result<Attached, ConnError> {
        let waiting = Waiting::new(limit);
        loop {
            let Some(claimed) = self.claimed(id) else {
                return Ok(Attached::NeverStarted);
            };
            let Some(end) = claimed.end else {
                return Ok(Attached::NeverStarted);
            };
            let left = claimed.ends_at.saturating_sub(self.hosts.now());
            if left.is_zero() {
                return Ok(Attached::Ended(end));
            }
            if claimed.boot != self.hosts.boot(&self.host) {
                return Ok(Attached::Vanished {
                    reason: "the host was rebooted".to_owned(),
                });
            }
            let slice = waiting.slice(left.min(SLICE))?;
            limit.clock.wait(slice, limit.stop);
        }
    }

    /// Does to a job what its deadline asks for.
    fn at_deadline(&self, id: &JobId, what: OnDeadline) {
        let signal = match what {
            OnDeadline::Leave => return,
            OnDeadline::Term => 15,
            OnDeadline::Kill => 9,
        };
        let now = self.hosts.now();
        let key = (self.host.clone(), id.as_str().to_owned());
        if let Some(claimed) = self.hosts.lock().jobs.get_mut(&key) {
            claimed.ends_at = now;
            claimed.end = Some(JobEnd {
                end: End::Signal(signal),
                ..ended(0, "")
            });
        }
    }
}

impl Connection for Session {
    fn identity(&mut self, _limit: Limit<'_>) -> Result<Identity, ConnError> {
        self.hosts.identity(&self.host)
    }

    fn script(
        &mut self,
        _user: Option<&Become>,
        script: &Script,
        limit: Limit<'_>,
    ) -> Result<Reply, ConnError> {
        self.passes()?;
        let call = self.call(Verb::Script, &script.0);
        let course = self.take(&call, limit)?;
        let effects = self.hosts.effects();
        let mut reply = if course == Course::Fails {
            Reply {
                code: 1,
                out: b"null".to_vec(),
                err: Vec::new(),
            }
        } else {
            let answer = self.hosts.answers.script(&call, &effects);
            answer.ok_or_else(|| self.hosts.unexpected(&call))?
        };
        match course {
            Course::Done | Course::Fails => {}
            Course::DoneBut(Fault::Garbled) => reply.out = b"\xff\x00\x1b not it".to_vec(),
            Course::DoneBut(Fault::DiskFull) => {
                reply.code = 1;
                reply.err = b"No space left on device".to_vec();
            }
            Course::DoneBut(fault) => {
                if let Some(error) = self.hosts.broken(&self.host, fault) {
                    return Err(error);
                }
            }
        }
        Ok(reply)
    }

    fn job(
        &mut self,
        _user: Option<&Become>,
        job: &Job,
        limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<JobEnd, ConnError> {
        if limit.stop.abandons() {
            return Err(ConnError::Stopped);
        }
        if self.claimed(&job.id).is_none() {
            watch(&JobOutput::Started);
        }
        if let Some(Course::DoneBut(fault)) = self.claim(job, limit)?
            && let Some(error) = self.hosts.broken(&self.host, fault)
        {
            return Err(error);
        }
        match self.follow(&job.id, limit) {
            Ok(Attached::Ended(end)) => {
                if !end.out.is_empty() {
                    watch(&JobOutput::Out(&end.out));
                }
                Ok(end)
            }
            Ok(Attached::NeverStarted) => Err(ConnError::Host {
                message: format!("job {} was fenced: it will never start", job.id),
            }),
            Ok(Attached::Vanished { .. }) => Err(lost(&self.host)),
            Err(error) => {
                if matches!(error, ConnError::TimedOut { .. }) {
                    self.at_deadline(&job.id, job.on_deadline);
                }
                Err(error)
            }
        }
    }

    fn start(
        &mut self,
        _user: Option<&Become>,
        job: &Job,
        time: Duration,
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        let course = self.claim(job, limit)?;
        let key = (self.host.clone(), job.id.as_str().to_owned());
        let killed_at = self.hosts.now().saturating_add(time);
        if let Some(claimed) = self.hosts.lock().jobs.get_mut(&key)
            && claimed.ends_at > killed_at
        {
            claimed.ends_at = killed_at;
            claimed.end = Some(JobEnd {
                end: End::Signal(9),
                ..ended(0, "")
            });
        }
        match course {
            Some(Course::DoneBut(fault)) => match self.hosts.broken(&self.host, fault) {
                Some(error) => Err(error),
                None => Ok(()),
            },
            Some(Course::Done | Course::Fails) | None => Ok(()),
        }
    }

    fn attach(
        &mut self,
        _user: Option<&Become>,
        id: &JobId,
        limit: Limit<'_>,
        _watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<Attached, ConnError> {
        self.hosts.unless_gone(&self.host)?;
        if self.claimed(id).is_none() {
            let fence = Claimed {
                end: None,
                ends_at: Duration::ZERO,
                boot: 0,
            };
            let key = (self.host.clone(), id.as_str().to_owned());
            self.hosts.lock().jobs.insert(key, fence);
        }
        self.follow(id, limit)
    }

    fn forget(
        &mut self,
        _user: Option<&Become>,
        ids: &[JobId],
        _limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        self.hosts.unless_gone(&self.host)?;
        let now = self.hosts.now();
        let mut state = self.hosts.lock();
        for id in ids {
            let key = (self.host.clone(), id.as_str().to_owned());
            let ended = state.jobs.get(&key);
            if ended.is_some_and(|job| job.end.is_some() && job.ends_at <= now) {
                state.jobs.remove(&key);
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        _user: Option<&Become>,
        upload: &Upload<'_>,
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        self.passes()?;
        let call = self.call(Verb::Put, upload.path);
        let course = self.take(&call, limit)?;
        let refused = |reason: &str| ConnError::Host {
            message: format!("cannot write {}: {reason}", upload.path),
        };
        match course {
            Course::Fails => return Err(refused("Permission denied")),
            Course::DoneBut(Fault::DiskFull) => return Err(refused("No space left on device")),
            Course::Done | Course::DoneBut(_) => {}
        }
        let key = (self.host.clone(), upload.path.to_owned());
        self.hosts.lock().files.insert(key, upload.content.to_vec());
        let answers = &self.hosts.answers;
        answers.has_put(&self.host, upload.path, upload.content);
        match course {
            Course::DoneBut(fault) => self.hosts.broken(&self.host, fault).map_or(Ok(()), Err),
            Course::Done | Course::Fails => Ok(()),
        }
    }

    fn get(
        &mut self,
        _user: Option<&Become>,
        path: &str,
        max_bytes: u64,
        limit: Limit<'_>,
    ) -> Result<Vec<u8>, ConnError> {
        let course = self.take(&self.call(Verb::Get, path), limit)?;
        if let Course::DoneBut(fault) = course
            && let Some(error) = self.hosts.broken(&self.host, fault)
        {
            return Err(error);
        }
        let found = self.hosts.file(&self.host, path);
        let refused = |reason: &str| ConnError::Host {
            message: format!("cannot read {path}: {reason}"),
        };
        let content = found
            .filter(|_| course != Course::Fails)
            .ok_or_else(|| refused("No such file or directory"))?;
        if content.len() as u64 > max_bytes {
            return Err(refused("it is too long"));
        }
        Ok(content)
    }

    fn stream(&mut self, to: &Endpoint, _limit: Limit<'_>) -> Result<Box<dyn Stream>, ConnError> {
        self.hosts.unless_gone(&self.host)?;
        let to = format!("{}:{}", to.host, to.port);
        if self.hosts.answers.listens(&self.host, &to) == Some(false) {
            return Err(ConnError::NotThere {
                host: to,
                reason: "connection refused".to_owned(),
            });
        }
        Ok(Box::new(Tunnel {
            host: self.host.clone(),
            to,
            hosts: Arc::clone(&self.hosts),
            said: Vec::new(),
            heard: Vec::new(),
        }))
    }

    fn fence(&mut self, fence: Option<&Fence>) {
        self.fence = fence.cloned();
    }

    fn scripted_sql(&mut self, to: &Endpoint) -> Option<Box<dyn SqlTalk>> {
        let to = format!("{}:{}", to.host, to.port);
        self.hosts.answers.listens(&self.host, &to)?;
        Some(Box::new(Talk {
            host: self.host.clone(),
            to,
            hosts: Arc::clone(&self.hosts),
        }))
    }

    fn reset(&mut self) {
        self.hosts.note(format!("{} reset", self.host));
    }
}
