//! What can be wrong on a host while one server is upgraded or restarted, and how the script must end.

/// One fault, or none, and the end that it must have.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) restart: bool,
    /// Whether only the starter is restarted.
    pub(super) alone: bool,
    /// Shell commands that are run before the script, on the host.
    pub(super) armed: &'static str,
    /// What takes the place of a part of the script, so that the fault comes in its middle.
    pub(super) meanwhile: (&'static str, &'static str),
    pub(super) code: i32,
    pub(super) said: &'static str,
    /// Whether the process of the server, of the other one and of the starter that were there at the beginning live on.
    pub(super) left: [bool; 3],
    /// How often the starter was started.
    pub(super) starts: usize,
    /// The exit code of a run that meets it: 2 where all runs again or nothing was touched, 7 where a bracket is held, as
    /// the starter must stay out.
    pub(super) exit: u8,
}

const KILLS: &str = "kill -9 \"$starter_pid\"";
const STAYS: (&str, &str) = ("", "");

const NONE: Case = Case {
    name: "nothing is wrong",
    restart: false,
    alone: false,
    armed: "",
    meanwhile: STAYS,
    code: 0,
    said: "",
    left: [false, true, false],
    starts: 1,
    exit: 0,
};

/// The script stops before it has touched anything.
const UNTOUCHED: Case = Case {
    code: 10,
    left: [true; 3],
    starts: 0,
    exit: 2,
    ..NONE
};

/// The starter ends and starts again, the servers do not notice.
const ALONE: Case = Case {
    name: "the starter alone, nothing is wrong",
    alone: true,
    left: [true, true, false],
    ..NONE
};

/// The server is down, and the starter stays out until somebody has looked.
const DOWN: Case = Case {
    code: 12,
    starts: 0,
    exit: 7,
    ..NONE
};

/// A host of its own, on which the server takes no SIGTERM.
pub(super) const DEAF: Case = Case {
    name: "it is deaf to SIGTERM",
    said: "it is not killed, its data would need recovery",
    left: [true, true, false],
    ..DOWN
};

pub(super) const CASES: &[Case] = &[
    NONE,
    Case {
        name: "a restart, nothing is wrong",
        restart: true,
        ..NONE
    },
    Case {
        name: "KillMode is missing",
        armed: "echo control-group >unit/KillMode",
        said: "the unit's KillMode is control-group",
        ..UNTOUCHED
    },
    Case {
        name: "systemd restarts",
        armed: "echo on-failure >unit/Restart",
        said: "Restart is on-failure",
        ..UNTOUCHED
    },
    Case {
        name: "somebody is at work",
        armed: "mkdir hold; echo Kim >hold/arangodb",
        said: "somebody else is at work",
        exit: 7,
        ..UNTOUCHED
    },
    Case {
        name: "another package was installed",
        armed: "echo 'echo server-version: 3.5.0' >arangod",
        said: "arangod is 3.5.0, wanted 3.4.0",
        ..UNTOUCHED
    },
    Case {
        name: "the package is missing",
        armed: "rm arangod",
        said: "of an unknown version",
        ..UNTOUCHED
    },
    Case {
        name: "a colleague restarted the server",
        meanwhile: ("server_start=", "server_start=1"),
        said: "changed by someone else: the agent was process",
        ..UNTOUCHED
    },
    Case {
        name: "a colleague restarted the starter",
        meanwhile: ("starter_start=", "starter_start=1"),
        said: "changed by someone else: the starter was process",
        ..UNTOUCHED
    },
    Case {
        name: "a colleague restarted the starter, it is told since when",
        meanwhile: ("starter_start=", "starter_start=1"),
        said: "since Sun 2026-03-01 10:02:00 UTC; logged in: kim pts/0 2026-03-01 10:00 (10.0.0.9)",
        ..UNTOUCHED
    },
    Case {
        name: "a colleague stopped the starter",
        armed: "echo 0 >unit/MainPID",
        said: "is 0 since",
        exit: 7,
        ..UNTOUCHED
    },
    Case {
        name: "a colleague ended the other server",
        armed: "kill -9 OTHER; sleep 0.3",
        said: "changed by someone else: process",
        left: [true, false, true],
        exit: 7,
        ..UNTOUCHED
    },
    Case {
        name: "somebody runs `arangodb upgrade`",
        armed: "printf '{\"ready\": false,\n \"failed\": false}' >plan",
        said: "changed by someone else: the starters have begun an upgrade of their own: {\"ready\":false,\"failed\":false}; logged in: kim",
        ..UNTOUCHED
    },
    Case {
        name: "somebody ran `arangodb upgrade`, long ago",
        armed: "printf '{\"ready\": true,\n \"failed\": false}' >plan",
        ..NONE
    },
    Case {
        name: "a colleague ends the other server while the data is upgraded",
        meanwhile: (
            "upgrade_data() { as_server",
            "upgrade_data() { kill -9 OTHER; sleep 0.3; as_server",
        ),
        said: "another server of this host does not answer in time",
        left: [false; 3],
        ..DOWN
    },
    Case {
        name: "the other server hangs",
        armed: "kill -STOP OTHER",
        said: "another server of this host does not answer",
        ..UNTOUCHED
    },
    Case {
        name: "the starter takes a server with it, whose data is old",
        meanwhile: (KILLS, "{ kill -9 \"$starter_pid\" OTHER; sleep 0.3; }"),
        said: "is older than the installed program, which refuses it",
        left: [true, false, false],
        ..DOWN
    },
    Case {
        name: "systemd takes a server along, after a while",
        armed: "echo deactivating >unit/ActiveState",
        meanwhile: (
            KILLS,
            "{ kill -9 \"$starter_pid\"; { sleep 1; kill -9 OTHER; sleep 0.3; echo failed >unit/ActiveState; } & }",
        ),
        said: "is older than the installed program, which refuses it",
        left: [true, false, false],
        ..DOWN
    },
    Case {
        name: "a colleague starts the starter meanwhile",
        meanwhile: (
            KILLS,
            "{ kill -9 \"$starter_pid\"; sleep 0.3; systemctl start x; }",
        ),
        code: 11,
        said: "somebody started the starter again",
        left: [true, true, false],
        exit: 2,
        ..NONE
    },
    Case {
        name: "the upgrade exits 1",
        meanwhile: (
            "upgrade_data() { as_server",
            "upgrade_data() { return 1; as_server",
        ),
        said: "the upgrade ended with code 1",
        ..DOWN
    },
    Case {
        name: "the upgrade takes longer than every wait",
        meanwhile: (
            "upgrade_data() { as_server",
            "upgrade_data() { sleep 12; as_server",
        ),
        ..NONE
    },
    Case {
        name: "the other server is slow when the starter would take it over",
        meanwhile: ("mark begin check the other servers", "kill -STOP OTHER"),
        said: "the starter would kill it",
        ..DOWN
    },
    Case {
        name: "a recycled pid in LOCK",
        meanwhile: (
            "mark begin check the other servers",
            "echo OTHER >\"$data/data/LOCK\"",
        ),
        said: "which is somebody else's",
        ..DOWN
    },
    Case {
        name: "the starter does not start",
        armed: "touch unit/refuses",
        said: "systemctl start arangodb failed",
        starts: 1,
        ..DOWN
    },
    Case {
        name: "the starter gives up",
        armed: "echo 'echo 0 >\"$here/unit/MainPID\"' >>start",
        said: "the starter is failed",
        starts: 1,
        ..DOWN
    },
    Case {
        name: "it comes back as it was",
        armed: "sed -i 's/^line=/comes=3.3.20; line=/' start",
        said: "has another version",
        starts: 1,
        exit: 2,
        ..DOWN
    },
    Case {
        name: "the starter starts another server anew, whose data is old",
        armed: "echo 'kill -9 OTHER; sleep 0.2; begin 900005 COORDINATOR 3.4.0 127.0.0.0' >>start",
        said: "the starter is stopped and held back by",
        left: [false; 3],
        starts: 1,
        ..DOWN
    },
    Case {
        name: "a restart, the starter starts another server anew",
        restart: true,
        armed: "echo 'kill -9 OTHER; sleep 0.2; begin 900005 COORDINATOR 3.4.0 127.0.0.0' >>start",
        code: 11,
        said: "all servers run, but not all of them were adopted",
        left: [false; 3],
        exit: 2,
        ..NONE
    },
    Case {
        name: "a restart, the starter takes a server with it",
        restart: true,
        meanwhile: (KILLS, "{ kill -9 \"$starter_pid\" OTHER; sleep 0.2; }"),
        code: 11,
        said: "the starter was started again, and all servers answer",
        left: [true, false, false],
        exit: 2,
        ..NONE
    },
    ALONE,
    Case {
        name: "the starter alone, KillMode is missing",
        armed: "echo control-group >unit/KillMode",
        said: "the unit's KillMode is control-group",
        alone: true,
        ..UNTOUCHED
    },
    Case {
        name: "the starter alone, a server hangs",
        armed: "kill -STOP OTHER",
        said: "a server of this host does not answer in time, and a new starter would kill it",
        alone: true,
        ..UNTOUCHED
    },
    Case {
        name: "the starter alone takes a server with it, whose data is old",
        meanwhile: (KILLS, "{ kill -9 \"$starter_pid\" OTHER; sleep 0.3; }"),
        code: 12,
        said: "is older than the installed program, which refuses it, so that the starter was not started again: coordinator on port",
        left: [true, false, false],
        starts: 0,
        exit: 7,
        ..ALONE
    },
    Case {
        name: "the starter alone, it starts a server anew",
        armed: "echo 'kill -9 OTHER; sleep 0.2; begin 900005 COORDINATOR 3.4.0 127.0.0.0' >>start",
        code: 12,
        said: "the data of these is older than the installed program, which refuses it: coordinator on port",
        left: [true, false, false],
        exit: 7,
        ..ALONE
    },
];
