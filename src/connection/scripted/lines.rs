//! A script in the plain sense: which call comes next on which host, and what it is answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Answering, Call, Effects, ended};
use crate::connection::{JobEnd, Reply};

/// One expected call and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The name of the call: `a uname -r`, `a job make`.
    pub(crate) call: &'static str,
    /// The exit code.
    pub(crate) code: i32,
    /// The output.
    pub(crate) out: &'static str,
}

/// Hosts that expect exactly these calls, each host its own in their order.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    left: Mutex<BTreeMap<String, Vec<Line>>>,
}

impl Lines {
    /// Makes hosts that expect these calls.
    pub(crate) fn new(lines: &[Line]) -> Self {
        let mut left: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for line in lines {
            let host = line.call.split(' ').next().unwrap_or_default();
            left.entry(host.to_owned()).or_default().push(line.clone());
        }
        Self {
            left: Mutex::new(left),
        }
    }

    /// Returns the calls that never came.
    pub(crate) fn unused(&self) -> Vec<&'static str> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.values().flatten().map(|line| line.call).collect()
    }

    fn next(&self, call: &Call<'_>) -> Option<Line> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = left.get_mut(call.host)?;
        let is_next = lines.first()?.call == call.name();
        is_next.then(|| lines.remove(0))
    }
}

impl Answering for Lines {
    fn changes(&self, _call: &Call<'_>) -> bool {
        true
    }

    fn script(&self, call: &Call<'_>, _effects: &Effects) -> Option<Reply> {
        let line = self.next(call)?;
        Some(Reply {
            code: line.code,
            out: line.out.as_bytes().to_vec(),
            err: Vec::new(),
        })
    }

    fn job(&self, call: &Call<'_>, _effects: &Effects) -> Option<JobEnd> {
        let line = self.next(call)?;
        Some(ended(line.code, line.out))
    }

    fn speak(&self, host: &str, to: &str, said: &[u8]) -> Option<Vec<u8>> {
        let text = format!("tunnel {to} {}", String::from_utf8_lossy(said));
        let call = Call {
            host,
            verb: super::Verb::Script,
            text: &text,
        };
        self.next(&call).map(|line| line.out.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{Fault, ScriptedHosts};
    use super::*;
    use crate::clock::{Clock as _, Deadline, SimulatedClock, Stop, StopLevel};
    use crate::connection::{
        Attached, ConnError, End, Endpoint, Job, JobCommand, JobId, Limit, OnDeadline, Script,
        Upload,
    };

    struct Kit {
        clock: Arc<SimulatedClock>,
        stop: Stop,
        lines: Arc<Lines>,
        hosts: Arc<ScriptedHosts>,
    }

    fn line(call: &'static str) -> Line {
        Line {
            call,
            code: 0,
            out: "said",
        }
    }

    fn kit(calls: &[&'static str]) -> Kit {
        let lines: Vec<Line> = calls.iter().map(|call| line(call)).collect();
        let lines = Arc::new(Lines::new(&lines));
        let (clock, stop) = (Arc::new(SimulatedClock::new()), Stop::new());
        let answers: Arc<dyn Answering> = Arc::<Lines>::clone(&lines);
        let hosts = ScriptedHosts::new(clock.clone(), stop.clone(), answers);
        Kit {
            clock,
            stop,
            lines,
            hosts,
        }
    }

    impl Kit {
        fn limit(&self, seconds: u64) -> Limit<'_> {
            Limit {
                clock: &*self.clock,
                stop: &self.stop,
                deadline: match seconds {
                    0 => Deadline::NEVER,
                    seconds => self.clock.deadline(Duration::from_secs(seconds)),
                },
            }
        }

        fn script(&self, text: &str) -> Result<Reply, ConnError> {
            let mut session = self.hosts.session("a");
            session.script(None, &Script(text.to_owned()), self.limit(0))
        }
    }

    fn job(id: &str, on_deadline: OnDeadline) -> Job {
        Job {
            id: JobId::new(id),
            command: JobCommand::Shell {
                text: "make".to_owned(),
                shell: None,
            },
            input: None,
            directory: None,
            environment: Vec::new(),
            on_deadline,
            outlives_session: false,
        }
    }

    #[test]
    fn what_nobody_expected_and_what_never_came_is_told() {
        let kit = kit(&["a uname", "b uname", "a id"]);
        assert_eq!(kit.script("uname").unwrap().text(), "said");
        let error = kit.script("reboot").unwrap_err();
        assert_eq!(error.to_string(), "nobody expected `a reboot`");
        kit.hosts.fault("a sync", Fault::Fails);
        kit.hosts.fault_at(9, Fault::Gone);
        assert_eq!(kit.lines.unused(), ["a id", "b uname"]);
        let expected = [
            "nobody expected `a reboot`",
            "Fails never came at `a sync`",
            "Gone never came at call 9",
        ];
        assert_eq!(kit.hosts.left_over(), expected);
    }

    #[test]
    fn every_fault_says_truly_whether_something_was_done() {
        let level = StopLevel::Abandon;
        // The fault; what the call comes to; whether the thing was done.
        let table: [(Fault, &str, bool); 14] = [
            (Fault::Fine, "code 0", true),
            (Fault::Fails, "code 1", false),
            (Fault::Gone, "cannot reach a: no route", false),
            (Fault::GoneForGood, "cannot reach a: no route", false),
            (Fault::LostBefore, "lost the connection to a: reset", false),
            (Fault::LostAfter, "lost the connection to a: reset", true),
            (Fault::TimesOut, "no answer within 1 s", true),
            (Fault::Garbled, "code 0", true),
            (Fault::DiskFull, "code 1", true),
            (Fault::Stop(StopLevel::Drain), "code 0", true),
            (Fault::StopNow(level), "stopped waiting", false),
            (Fault::Reboots, "lost the connection to a: reset", false),
            (Fault::RebootsAfter, "lost the connection to a: reset", true),
            (Fault::CutShort, "code 0", true),
        ];
        for (fault, expected, done) in table {
            let kit = kit(&["a touch x"]);
            kit.hosts.fault_at(0, fault);
            let told = match kit.script("touch x") {
                Ok(reply) => format!("code {}", reply.code),
                Err(error) => error.to_string(),
            };
            assert_eq!(told, expected, "{fault:?}");
            assert_eq!(kit.hosts.effects().len(), usize::from(done), "{fault:?}");
            assert_eq!(kit.hosts.calls(), 1);
            let reachable = kit.hosts.session("a").identity(kit.limit(0)).is_ok();
            assert_eq!(reachable, fault != Fault::GoneForGood, "{fault:?}");
        }
    }

    #[test]
    fn jobs_run_on_the_simulated_clock() {
        // How long it takes, what its deadline does, how long is waited, and how the wait ends and then the job.
        let table = [
            (5, OnDeadline::Leave, 9, "Code(0)", "Code(0)", 5),
            (
                30,
                OnDeadline::Leave,
                9,
                "no answer within 9 s",
                "Code(0)",
                30,
            ),
            (
                30,
                OnDeadline::Term,
                9,
                "no answer within 9 s",
                "Signal(15)",
                9,
            ),
            (
                30,
                OnDeadline::Kill,
                9,
                "no answer within 9 s",
                "Signal(9)",
                9,
            ),
        ];
        for (takes, on_deadline, waited, first, then, at) in table {
            let kit = kit(&["a job make"]);
            kit.hosts.takes("a job make", Duration::from_secs(takes));
            let mut session = kit.hosts.session("a");
            let job = job("j", on_deadline);
            let told = match session.job(None, &job, kit.limit(waited), &mut |_| ()) {
                Ok(end) => format!("{:?}", end.end),
                Err(error) => error.to_string(),
            };
            assert_eq!(told, first, "{takes} s, {on_deadline:?}");
            let attached = session.attach(None, &job.id, kit.limit(0), &mut |_| ());
            let Ok(Attached::Ended(end)) = attached else {
                panic!("{attached:?}")
            };
            assert_eq!(format!("{:?}", end.end), then);
            assert_eq!(kit.clock.elapsed().as_secs(), at);
            assert_eq!(kit.hosts.effects()["a job make"], 1, "it never runs twice");
        }
    }

    #[test]
    fn a_job_is_claimed_once_fenced_and_lost_with_a_reboot() {
        let kit = kit(&["a job make", "a job make"]);
        let mut session = kit.hosts.session("a");
        let limit = kit.limit(0);
        let fenced = JobId::new("never");
        let attached = session.attach(None, &fenced, limit, &mut |_| ()).unwrap();
        assert_eq!(attached, Attached::NeverStarted);
        let error = session
            .job(None, &job("never", OnDeadline::Leave), limit, &mut |_| ())
            .unwrap_err();
        assert!(error.to_string().contains("was fenced"), "{error}");

        kit.hosts.takes("a job make", Duration::from_mins(1));
        let long = Duration::from_hours(1);
        let cut = job("cut", OnDeadline::Leave);
        session.start(None, &cut, long, limit).unwrap();
        kit.hosts.reboot("a");
        let attached = session.attach(None, &cut.id, limit, &mut |_| ()).unwrap();
        assert!(
            matches!(attached, Attached::Vanished { .. }),
            "{attached:?}"
        );

        let done = job("done", OnDeadline::Leave);
        let short = Duration::from_secs(10);
        session.start(None, &done, short, limit).unwrap();
        let attached = session.attach(None, &done.id, limit, &mut |_| ()).unwrap();
        let Attached::Ended(end) = attached else {
            panic!("{attached:?}")
        };
        assert_eq!(end.end, End::Signal(9), "its own time was over");
        kit.hosts.reboot("a");
        let attached = session.attach(None, &done.id, limit, &mut |_| ()).unwrap();
        assert!(matches!(attached, Attached::Ended(_)), "its end is on disk");
    }

    #[test]
    fn files_and_tunnels_and_slow_calls() {
        let kit = kit(&["a tunnel db:3306 hello", "a slow"]);
        let mut session = kit.hosts.session("a");
        let upload = Upload {
            path: "/etc/x",
            content: b"text",
            mode: None,
            owner: None,
            group: None,
        };
        kit.hosts.fault("a put /etc/x", Fault::DiskFull);
        let error = session.put(None, &upload, kit.limit(0)).unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
        assert_eq!(kit.hosts.file("a", "/etc/x"), None);
        session.put(None, &upload, kit.limit(0)).unwrap();
        assert_eq!(
            session.get(None, "/etc/x", 9, kit.limit(0)).unwrap(),
            b"text"
        );
        session.get(None, "/etc/x", 3, kit.limit(0)).unwrap_err();

        let to = Endpoint {
            host: "db".to_owned(),
            port: 3306,
        };
        let mut stream = session.stream(&to, kit.limit(0)).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "said");

        kit.hosts.latency(Duration::from_secs(7));
        let script = Script("slow".to_owned());
        let error = session.script(None, &script, kit.limit(2)).unwrap_err();
        assert_eq!(error.to_string(), "no answer within 2 s");
    }
}
