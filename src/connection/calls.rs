//! [`Connection`] over the long-lived shells: scripts, files, identity; jobs are in `watching`.
//!
//! Each call is one round trip where nothing has to be opened first. A call that ended in any other way than with an
//! answer leaves no shell behind that could still be busy with it: the session is ended, and the next call opens a new
//! one.

use std::time::Duration;

use super::fence::{Fence, passed};
use super::files::{self, SMALL, Way};
use super::framing::{Body, Frame, random_hex};
use super::shells::{Role, Shells};
use super::waiting::{LOOK, Waiting};
use super::watching::Watching;
use super::{
    Attached, Become, ConnError, Connection, Endpoint, Identity, Job, JobEnd, JobId, JobOutput,
    Limit, Reply, Script, Stream, Upload, jobs,
};

/// Asks which boot of which machine this is, and as whom the session was opened.
const IDENTITY: &str = "b=; m=; { read -r b </proc/sys/kernel/random/boot_id; } 2>/dev/null; \
    { read -r m </etc/machine-id; } 2>/dev/null; printf '%s\\n%s\\n' \"$b\" \"$m\"; id -un 2>/dev/null || id -u";

impl Connection for Shells {
    fn identity(&mut self, limit: Limit<'_>) -> Result<Identity, ConnError> {
        if let Some(identity) = self.identity.clone().filter(|_| self.link.is_open()) {
            return Ok(identity);
        }
        let reply = self.script(None, &Script(IDENTITY.to_owned()), limit)?;
        let text = reply.text();
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        let mut next = || lines.next().unwrap_or_default();
        let identity = Identity {
            boot_id: next(),
            machine_id: next(),
            user: next(),
        };
        self.identity = Some(identity.clone());
        Ok(identity)
    }

    fn script(
        &mut self,
        user: Option<&Become>,
        script: &Script,
        limit: Limit<'_>,
    ) -> Result<Reply, ConnError> {
        if script.0.contains('\0') {
            return Err(ConnError::Host {
                message: "a script holds a NUL byte".to_owned(),
            });
        }
        let frame = self.call_fenced(
            user,
            Role::Steps,
            Body::Script(&script.0),
            &Waiting::new(limit),
        )?;
        Ok(Reply {
            code: frame.code,
            out: frame.out,
            err: frame.err,
        })
    }

    fn job(
        &mut self,
        user: Option<&Become>,
        job: &Job,
        limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<JobEnd, ConnError> {
        Watching::new(self, user, &job.id, watch).run(job, &Waiting::new(limit))
    }

    fn start(
        &mut self,
        user: Option<&Become>,
        job: &Job,
        time: Duration,
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        let mut unseen = |_: &JobOutput<'_>| ();
        Watching::new(self, user, &job.id, &mut unseen).start(job, time, &Waiting::new(limit))
    }

    fn attach(
        &mut self,
        user: Option<&Become>,
        id: &JobId,
        limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<Attached, ConnError> {
        Watching::new(self, user, id, watch).attach(&Waiting::new(limit))
    }

    fn forget(
        &mut self,
        user: Option<&Become>,
        ids: &[JobId],
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        let waiting = Waiting::new(limit);
        for some in ids.chunks(100) {
            let frame = self.call(
                user,
                Role::Steps,
                Body::InJobs(&jobs::forget(some)),
                &waiting,
            )?;
            if frame.code != 0 {
                let said = String::from_utf8_lossy(&frame.err).trim().to_owned();
                return Err(ConnError::Host {
                    message: format!("cannot remove what jobs left: {said}"),
                });
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        user: Option<&Become>,
        upload: &Upload<'_>,
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        let waiting = Waiting::new(limit);
        let token = random_hex::<8>().map_err(|error| ConnError::Host {
            message: format!("no random bytes: {error}"),
        })?;
        let small = upload.content.len() <= SMALL;
        let way = if small { Way::Inside } else { Way::Stream };
        let call = files::put(upload, way, &token)?;
        let frame = if small {
            self.call_fenced(user, Role::Steps, Body::Own(&call), &waiting)?
        } else {
            let carried = self.carry(user, &call, upload.content, &waiting);
            match self.find(user, Role::Carry) {
                Some(at) if carried.is_ok() => self.close(at),
                Some(_) => self.end_session(),
                None => {}
            }
            carried?
        };
        files::was_put(upload.path, &frame)
    }

    fn get(
        &mut self,
        user: Option<&Become>,
        path: &str,
        max_bytes: u64,
        limit: Limit<'_>,
    ) -> Result<Vec<u8>, ConnError> {
        let call = files::get(path, max_bytes)?;
        let frame = self.call(user, Role::Steps, Body::Own(&call), &Waiting::new(limit))?;
        files::was_got(path, max_bytes, frame)
    }

    fn stream(&mut self, to: &Endpoint, limit: Limit<'_>) -> Result<Box<dyn Stream>, ConnError> {
        self.link.stream(to, &Waiting::new(limit))
    }

    fn brief_stream(
        &mut self,
        to: &Endpoint,
        limit: Limit<'_>,
    ) -> Result<Box<dyn Stream>, ConnError> {
        let waiting = Waiting::new(limit);
        self.still_there(&waiting)?;
        match self.link.brief_stream(to, &waiting) {
            // Nothing was sent: a new session may be asked.
            Err(ConnError::Lost { .. }) => {
                self.end_session();
                self.link.brief_stream(to, &waiting)
            }
            result => result,
        }
    }

    fn ready_streams(&mut self, limit: Limit<'_>) -> Result<(), ConnError> {
        self.link.ready_streams(&Waiting::new(limit))
    }

    fn fence(&mut self, fence: Option<&Fence>) {
        self.fence = fence.cloned();
    }

    fn reset(&mut self) {
        self.end_session();
    }
}

impl Shells {
    /// Sends a large file on a shell of its own: the call, then the bytes once the host is ready for them.
    ///
    /// Nothing is replaced before all has arrived: a file that was cut fails its checksum.
    fn carry(
        &mut self,
        user: Option<&Become>,
        call: &str,
        content: &[u8],
        waiting: &Waiting<'_>,
    ) -> Result<Frame, ConnError> {
        const READY: &[u8] = b"READY\n";
        let (fence, fed) = (self.fence.clone(), Body::Fed(call));
        let body = fence
            .as_ref()
            .map_or(fed, |fence| Body::Fenced(fence, &fed));
        let at = self.begin(user, Role::Carry, body, waiting)?;
        let mut rest = content;
        let mut ended = false;
        loop {
            if self.turn(at)? {
                return passed(self.answer(at)?);
            }
            let ready = self.so_far(at).starts_with(READY);
            if ready {
                let count = if rest.is_empty() {
                    0
                } else {
                    self.feed(at, rest)?
                };
                rest = rest.get(count..).unwrap_or_default();
                if rest.is_empty() && !ended {
                    ended = self.feed_end(at)?;
                }
                if count > 0 {
                    continue;
                }
            }
            let slice = waiting.slice(LOOK)?;
            self.rest_writing(at, slice, ready && (!rest.is_empty() || !ended))?;
        }
    }
}
