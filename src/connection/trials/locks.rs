//! The cluster's lock on one machine, and the fence that its token is: in every shell that a host may have.

#![expect(
    clippy::disallowed_methods,
    reason = "what lies on a host is laid there as it is"
)]

use super::*;
use crate::connection::Fence;
use crate::connection::locking::{Holding, LockSeen, look, seen};

impl Host {
    fn lock(&self) -> String {
        self.path("lock/x").display().to_string()
    }

    fn asks(&mut self, script: &Script) -> LockSeen {
        let reply = self.script(&script.0).unwrap();
        assert_eq!(reply.code, 0, "{}: {reply:?}", self.shell);
        seen(&reply.out).unwrap()
    }

    fn puts(&mut self, content: &[u8]) -> Result<(), ConnError> {
        let path = self.path("file").display().to_string();
        let (clock, stop) = (SystemClock::new(), Stop::new());
        let limit = Limit {
            clock: &clock,
            stop: &stop,
            deadline: clock.deadline(Duration::from_secs(20)),
        };
        let upload = Upload {
            path: &path,
            content,
            mode: None,
            owner: None,
            group: None,
        };
        self.shells.put(None, &upload, limit)
    }
}

fn who<'a>(path: &'a str, owner: &'a str) -> Holding<'a> {
    Holding {
        path,
        owner,
        about: "every 20\nreason it's $(true) time",
    }
}

#[test]
fn a_lock_is_one_runs_until_it_is_given_back() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let lock = host.lock();
        let (a, b) = (who(&lock, "b1 0a r-1"), who(&lock, "b2 0b r-2"));
        assert_eq!(host.asks(&look(&lock)), LockSeen::default());
        assert!(!host.path("lock").exists(), "{shell}: looking made it");

        let taken = host.asks(&a.take(&[]));
        assert!(
            taken.held && taken.taken_now && taken.owner == "b1 0a r-1",
            "{shell}: {taken:?}"
        );
        assert_eq!(taken.about["reason"], "it's $(true) time", "{shell}");
        let again = host.asks(&a.take(&[]));
        assert!(again.held && !again.taken_now, "{shell}: it had it");
        let refused = host.asks(&b.take(&["b9 r-9".to_owned()]));
        assert!(
            refused.owner == "b1 0a r-1" && !refused.taken_now,
            "{shell}: {refused:?}"
        );

        assert_eq!(host.asks(&a.grant(4)).token, 4, "{shell}");
        assert_eq!(host.asks(&b.grant(5)).token, 4, "{shell}: it is not theirs");
        assert_eq!(host.asks(&a.renew()).renewals, 1, "{shell}");
        assert_eq!(host.asks(&a.renew()).renewals, 2, "{shell}");
        assert_eq!(host.asks(&b.renew()).renewals, 2, "{shell}");
        assert!(host.asks(&b.give_back()).held, "{shell}");

        // By its name it is replaced, and its counter begins anew.
        let over = host.asks(&b.take(&["b1 0a r-1".to_owned()]));
        assert!(
            over.taken_now && over.owner == "b2 0b r-2" && over.renewals == 0,
            "{shell}: {over:?}"
        );
        let free = host.asks(&b.give_back());
        assert!(
            !free.held && free.token == 4,
            "{shell}: tokens only grow: {free:?}"
        );
        assert!(!host.path("lock/x").exists(), "{shell}");

        // Who could not be asked before joins, but not where a later token was given out.
        assert!(!host.asks(&a.join(3)).held, "{shell}");
        assert!(host.asks(&a.join(4)).held, "{shell}");
    });
}

#[test]
fn a_lock_that_cannot_be_written_says_so() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let lock = host.lock();
        std::fs::create_dir_all(host.path("lock")).unwrap();
        std::os::unix::fs::symlink("/tmp", &lock).unwrap();
        let Script(text) = who(&lock, "a").take(&[]);
        let reply = host.script(&text).unwrap();
        let said = String::from_utf8_lossy(&reply.err).into_owned();
        assert!(
            reply.code != 0 && said.contains("symbolic link"),
            "{shell}: {reply:?}"
        );
        std::fs::remove_file(&lock).unwrap();
        std::fs::write(&lock, "").unwrap();
        let reply = host.script(&text).unwrap();
        assert!(
            reply.code != 0 && !reply.err.is_empty(),
            "{shell}: {reply:?}"
        );
    });
}

#[test]
fn a_lower_token_changes_nothing_on_a_host_that_has_seen_a_higher_one() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let lock = host.lock();
        let job = |id: &str, made: &Path| Job {
            id: JobId::new(id),
            command: JobCommand::Shell {
                text: format!("touch '{}'", made.display()),
                shell: None,
            },
            input: None,
            directory: None,
            environment: Vec::new(),
            on_deadline: OnDeadline::Leave,
            outlives_session: false,
        };
        let fence = |token| Fence {
            path: lock.clone(),
            token,
        };
        let made = host.path("made");
        // Nobody has given a token out: no lock, no fence.
        host.shells.fence(Some(&fence(1)));
        assert_eq!(host.script("exit 3").unwrap().code, 3, "{shell}");
        host.shells.fence(None);
        host.asks(&who(&lock, "b2 0b r-2").take(&[]));
        host.asks(&who(&lock, "b2 0b r-2").grant(2));

        host.shells.fence(Some(&fence(1)));
        let large = vec![b'x'; 100_000];
        let refused = [
            host.script(&format!("touch '{}'", made.display()))
                .map(drop),
            host.run(&job("late-1", &made)).map(drop),
            host.start(&job("late-2", &made), 5),
            host.puts(b"small"),
            host.puts(&large),
        ];
        for (at, refused) in refused.into_iter().enumerate() {
            let holder = "b2 0b r-2".to_owned();
            assert_eq!(
                refused,
                Err(ConnError::Fenced { holder }),
                "{shell}: call {at}"
            );
        }
        assert!(!made.exists() && !host.path("file").exists(), "{shell}");
        std::fs::write(format!("{lock}.token"), "what\n").unwrap();
        assert!(
            host.script("true").is_err(),
            "{shell}: no number is no lower one"
        );
        std::fs::write(format!("{lock}.token"), "99999999999999999999999\n").unwrap();
        assert!(
            host.script("true").is_err(),
            "{shell}: too long for a number"
        );

        std::fs::write(format!("{lock}.token"), "2\n").unwrap();
        host.shells.fence(Some(&fence(2)));
        host.run(&job("now-1", &made)).unwrap();
        host.puts(b"small").unwrap();
        assert!(made.exists(), "{shell}: the same token is the run's own");
        host.puts(&large).unwrap();
        assert_eq!(std::fs::read(host.path("file")).unwrap(), large, "{shell}");
    });
}
