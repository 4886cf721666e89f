//! Notes of what is owed: written whole or not at all, seen as they are, gone when removed.

use super::*;
use crate::connection::owed::{look, looked, remove, write, write_first};

impl Host {
    fn sees(&mut self) -> crate::connection::owed::Lying {
        let Script(text) = look();
        let reply = self.script(&text).unwrap();
        assert_eq!(reply.code, 0, "{}: {reply:?}", self.shell);
        looked(&reply.out).unwrap()
    }

    fn notes_down(&mut self, name: &str, text: &str) -> Reply {
        let Script(text) = write(name, text);
        self.script(&text).unwrap()
    }

    fn owed(&self) -> PathBuf {
        let user = rustix::process::geteuid().as_raw();
        self.path("state").join(user.to_string()).join("owed")
    }
}

const TEXT: &str =
    "stagger owed 1.0\n{\"it's\": \"a $(touch /x) `b` \\\\ %s ä\"}\n\n|note x\nend\n";

#[test]
fn notes_are_written_seen_and_removed_in_every_shell() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        assert_eq!(host.sees(), crate::connection::owed::Lying::default());
        assert!(!host.path("state").exists(), "{shell}: looking made it");
        for text in ["first\n", TEXT] {
            let reply = host.notes_down("a-b.run-1", text);
            assert_eq!(reply.code, 0, "{shell}: {reply:?}");
        }
        host.notes_down("other.run-2", "two\n");
        let file = std::fs::read_to_string(host.owed().join("a-b.run-1")).unwrap();
        assert_eq!(file, TEXT, "{shell}");
        let mut seen = host.sees().notes;
        seen.sort();
        assert_eq!(
            seen,
            [
                ("a-b.run-1".to_owned(), TEXT.to_owned()),
                ("other.run-2".to_owned(), "two\n".to_owned())
            ],
            "{shell}"
        );
        let Script(gone) = remove(&["a-b.run-1".to_owned(), "never-there".to_owned()]);
        assert_eq!(host.script(&gone).unwrap().code, 0, "{shell}");
        let left: Vec<String> = std::fs::read_dir(host.owed())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(left, ["other.run-2"], "{shell}");
    });
}

#[test]
fn a_first_note_is_written_only_where_no_other_runs_note_lies() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let mut first = |name: &str, text: &str| {
            let Script(text) = write_first(name, text, "run-1");
            let reply = host.script(&text).unwrap();
            assert_eq!(reply.code, 0, "{shell}: {reply:?}");
            let lying = looked(&reply.out).map(|lying| lying.notes);
            let names: Vec<String> = std::fs::read_dir(host.owed())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            (reply.out.is_empty(), lying, names.len())
        };
        assert_eq!(first("a.run-1", "one\n"), (true, None, 1), "{shell}");
        assert_eq!(first("b.run-1", TEXT), (true, None, 2), "{shell}");
        host.notes_down("a.run-2", TEXT);
        let Script(text) = write_first("c.run-1", "three\n", "run-1");
        let reply = host.script(&text).unwrap();
        let mut seen = looked(&reply.out).unwrap().notes;
        seen.sort();
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.run-1", "a.run-2", "b.run-1"], "{shell}");
        assert_eq!(seen[1].1, TEXT, "{shell}");
        assert!(!host.owed().join("c.run-1").exists(), "{shell}");
    });
}

#[test]
fn a_note_that_cannot_be_written_leaves_nothing_and_says_so() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        host.notes_down("a.run-1", "one\n");
        let owed = host.owed();
        std::fs::remove_dir_all(&owed).unwrap();
        std::os::unix::fs::symlink("/tmp", &owed).unwrap();
        let reply = host.notes_down("c.run-1", "three\n");
        assert_ne!(reply.code, 0, "{shell}");
        let said = String::from_utf8_lossy(&reply.err).into_owned();
        assert!(said.contains("is a symbolic link"), "{shell}: {said}");
        std::fs::remove_file(&owed).unwrap();
        // What cannot be made stands for a disk that is full or read-only.
        std::fs::File::create(&owed).unwrap();
        let reply = host.notes_down("d.run-1", "four\n");
        assert!(
            reply.code != 0 && !reply.err.is_empty(),
            "{shell}: {reply:?}"
        );
    });
}

#[test]
fn a_job_that_runs_is_seen_and_one_that_ended_is_not() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let job = |id: &str, text: &str| Job {
            id: JobId::new(id),
            command: JobCommand::Shell {
                text: text.to_owned(),
                shell: None,
            },
            input: None,
            directory: None,
            environment: Vec::new(),
            on_deadline: OnDeadline::Leave,
            outlives_session: false,
        };
        host.run(&job("run-1-done-1", "true")).unwrap();
        let waited = host.run_within(&job("run-1-slow-1", "sleep 3"), 500, &mut |_| {});
        assert!(waited.is_err(), "{shell}: {waited:?}");
        assert_eq!(host.sees().jobs, ["run-1-slow-1"], "{shell}");
        host.clock.wait(Duration::from_secs(4), &host.stop);
        assert!(host.sees().jobs.is_empty(), "{shell}");
    });
}
