//! `user`: a user of the host.

mod entry;

use serde_json::{Map, Value, json};

use super::files::{Append as _, NO, PRELUDE, Reply};
use super::group::look_line;
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::secrets::Secret;
use crate::template::shell_quote;
use crate::yaml::Problem;

use entry::{Entry, day_of};

static SPEC: ModuleSpec = ModuleSpec {
    name: "user",
    summary: "Makes sure that a user is there, or is not",
    notes: &[
        "It needs useradd, usermod and userdel on the host; a password goes to chpasswd by its input.",
    ],
    arguments: &[
        Argument::new("name", Kind::Str, "The user.")
            .aliases(&["user"])
            .required(),
        Argument::new("state", Kind::Str, "Whether it shall be there.")
            .choices(&["absent", "present"])
            .default("present"),
        Argument::new("uid", Kind::Int, "Its number."),
        Argument::new(
            "non_unique",
            Kind::Flag,
            "Whether the number may be another user's too.",
        )
        .default("false"),
        Argument::new("group", Kind::Str, "Its own group, by name or number."),
        Argument::new(
            "groups",
            Kind::List,
            "The groups that it is in besides; an empty text for none.",
        ),
        Argument::new("append", Kind::Flag, "Whether it stays in other groups.").default("false"),
        Argument::new("comment", Kind::Str, "Its description."),
        Argument::new("home", Kind::Path, "Its home."),
        Argument::new(
            "create_home",
            Kind::Flag,
            "Whether a new user's home is made.",
        )
        .aliases(&["createhome"])
        .default("true"),
        Argument::new(
            "move_home",
            Kind::Flag,
            "Whether what is in the old home moves to the new one.",
        )
        .default("false"),
        Argument::new("shell", Kind::Path, "Its shell."),
        Argument::new(
            "system",
            Kind::Flag,
            "Whether a new user is one of the system.",
        )
        .default("false"),
        Argument::new(
            "password",
            Kind::Str,
            "Its password, hashed as in /etc/shadow; `!` locks it.",
        )
        .secret(),
        Argument::new(
            "update_password",
            Kind::Str,
            "Whether the password of a user that is there is changed.",
        )
        .choices(&["always", "on_create"])
        .default("always"),
        Argument::new(
            "password_lock",
            Kind::Flag,
            "Whether its password is locked.",
        ),
        Argument::new(
            "expires",
            Kind::Float,
            "When it ends, in seconds since 1970; -1 for never.",
        ),
        Argument::new("remove", Kind::Flag, "Whether its home goes with it.").default("false"),
        Argument::new(
            "force",
            Kind::Flag,
            "Whether it goes even if it is logged in.",
        )
        .default("false"),
    ],
    absent: &[
        (
            "generate_ssh_key",
            "run `ssh-keygen` with `command` and `creates`",
        ),
        (
            "ssh_key_bits",
            "run `ssh-keygen` with `command` and `creates`",
        ),
        (
            "ssh_key_comment",
            "run `ssh-keygen` with `command` and `creates`",
        ),
        (
            "ssh_key_file",
            "run `ssh-keygen` with `command` and `creates`",
        ),
        (
            "ssh_key_passphrase",
            "run `ssh-keygen` with `command` and `creates`",
        ),
        (
            "ssh_key_type",
            "run `ssh-keygen` with `command` and `creates`",
        ),
        (
            "local",
            "users are always looked up by the host's own rules",
        ),
        ("skeleton", "run `cp` with `command` and `creates`"),
        ("seuser", "run `semanage` with `command`"),
        ("password_expire_max", "run `chage` with `command`"),
        ("password_expire_min", "run `chage` with `command`"),
        ("password_expire_warn", "run `chage` with `command`"),
        (
            "password_expire_account_disable",
            "run `chage` with `command`",
        ),
        ("uid_min", "give the number as `uid`"),
        ("uid_max", "give the number as `uid`"),
        ("umask", "set UMASK in /etc/login.defs"),
        ("authorization", "only for other systems than Linux"),
        ("hidden", "only for other systems than Linux"),
        ("login_class", "only for other systems than Linux"),
        ("profile", "only for other systems than Linux"),
        ("role", "only for other systems than Linux"),
    ],
    example: "- user:\n    name: arangodb\n    group: arangodb\n    system: true\n    shell: /usr/sbin/nologin\n",
    returns: &[
        ("name", "the user"),
        ("state", "whether it is there"),
        ("uid", "its number"),
        ("group", "the number of its own group"),
        ("comment", "its description"),
        ("home", "its home"),
        ("shell", "its shell"),
        ("groups", "the groups that it was put into"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct User;

impl Module for User {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Wanted {
            arguments: arguments.clone(),
            name: arguments.str("name").unwrap_or_default().to_owned(),
            password: arguments.str("password").map(Secret::new),
        }))
    }
}

#[derive(Debug)]
struct Wanted {
    arguments: Arguments,
    name: String,
    password: Option<Secret>,
}

impl Wanted {
    fn present(&self) -> bool {
        self.arguments.str("state") != Some("absent")
    }

    fn question(&self) -> String {
        let mut text = PRELUDE.to_owned();
        text.push_str(&look_line("passwd", &self.name));
        text.append(format!(
            "\nprintf 'groups=%s\\0' \"$(id -Gn -- {} 2>/dev/null)\"\n",
            shell_quote(&self.name)
        ));
        if let Some(group) = self.arguments.str("group") {
            text.push_str(&look_line("group", group));
            text.push('\n');
        }
        text.append(format!(
            "n={}; if [ -r /etc/shadow ]; then while IFS=: read -r a b c d e f g h i; do [ \"$a\" != \"$n\" ] || printf 'hash=%s\\0expires=%s\\0' \"$b\" \"$h\"; done </etc/shadow; fi\n:\n",
            shell_quote(&self.name)
        ));
        text
    }

    fn look(&self, cx: &mut HostCx<'_>) -> Result<Option<Entry>, ModuleError> {
        let reply = Reply::of(&cx.script(self.question())?, "cannot read the users")?;
        Ok(Entry::of(&reply))
    }

    /// Returns the commands that have the user as asked, and what they are about; empty if it is.
    fn commands(&self, now: Option<&Entry>) -> Vec<String> {
        let name = shell_quote(&self.name);
        let on = |flag: &str| self.arguments.flag(flag);
        if !self.present() {
            let Some(_) = now else {
                return Vec::new();
            };
            let force = if on("force") { " -f" } else { "" };
            let remove = if on("remove") { " -r" } else { "" };
            return vec![format!("userdel{force}{remove} -- {name}")];
        }
        let mut words = self.options(now);
        if let Some(now) = now {
            if words.is_empty() {
                return Vec::new();
            }
            if on("move_home") && words.contains(" -d ") && !now.home.is_empty() {
                words.push_str(" -m");
            }
            return vec![format!("usermod{words} -- {name}")];
        }
        words.push_str(
            if self.arguments.get("create_home") == Some(&json!(false)) {
                " -M"
            } else {
                " -m"
            },
        );
        if on("system") {
            words.push_str(" -r");
        }
        let mut commands = vec![format!("useradd{words} -- {name}")];
        // `useradd -r` lets its `-e` fall.
        if let (true, Some(date)) = (on("system"), self.expiry()) {
            commands.push(format!("usermod -e {date} -- {name}"));
        }
        commands
    }

    /// Returns the date at which it ends, if it does.
    fn expiry(&self) -> Option<String> {
        let seconds = self.arguments.get("expires").and_then(Value::as_f64)?;
        day_of(seconds).map(|(_, date)| date)
    }

    /// Returns the options for what is not as asked.
    fn options(&self, now: Option<&Entry>) -> String {
        let mut words = String::new();
        let text = |name: &str| self.arguments.str(name).map(str::to_owned);
        let uid = self.arguments.int("uid").map(|uid| uid.to_string());
        for (option, wanted, known) in [
            ("-u", uid, now.map(|now| &now.uid)),
            ("-c", text("comment"), now.map(|now| &now.comment)),
            ("-d", text("home"), now.map(|now| &now.home)),
            ("-s", text("shell"), now.map(|now| &now.shell)),
        ] {
            if let Some(wanted) = wanted.filter(|wanted| Some(wanted) != known) {
                words.append(format!(" {option} {}", shell_quote(&wanted)));
                if option == "-u" && self.arguments.flag("non_unique") {
                    words.push_str(" -o");
                }
            }
        }
        if let Some(group) = text("group") {
            let same = now
                .is_some_and(|now| now.gid == group || now.wanted_gid.as_deref() == Some(&now.gid));
            if !same {
                words.append(format!(" -g {}", shell_quote(&group)));
            }
        }
        if self.arguments.get("groups").is_some() {
            words.push_str(&self.group_options(now));
        }
        let expires = self.arguments.get("expires").and_then(Value::as_f64);
        if let Some(day) = expires.map(day_of) {
            let known = now.and_then(|now| now.expires.clone()).unwrap_or_default();
            if day
                .as_ref()
                .map_or(String::new(), |(number, _)| number.to_string())
                != known
            {
                let date = day.map_or(String::new(), |(_, date)| date);
                words.append(format!(" -e {}", shell_quote(&date)));
            }
        }
        words
    }

    fn group_options(&self, now: Option<&Entry>) -> String {
        let mut wanted: Vec<String> = self.arguments.list("groups");
        wanted.retain(|group| !group.is_empty());
        let append = self.arguments.flag("append");
        let Some(now) = now else {
            return if wanted.is_empty() {
                String::new()
            } else {
                format!(" -G {}", shell_quote(&wanted.join(",")))
            };
        };
        let further: Vec<&String> = now.groups.iter().skip(1).collect();
        let missing = wanted.iter().any(|group| !now.groups.contains(group));
        let surplus = further.iter().any(|group| !wanted.contains(group));
        if missing || (surplus && !append) {
            let option = if append { " -a -G" } else { " -G" };
            return format!("{option} {}", shell_quote(&wanted.join(",")));
        }
        String::new()
    }

    /// Tells what is to be done about the password: the new hash, or locking it or not.
    fn password(&self, now: Option<&Entry>) -> Option<String> {
        let name = shell_quote(&self.name);
        let hash = now.and_then(|now| now.hash.clone());
        if let Some(password) = &self.password {
            let always = self.arguments.str("update_password") != Some("on_create");
            let same = hash.as_deref().map(|hash| hash.trim_start_matches('!'))
                == Some(password.reveal().trim_start_matches('!'));
            if now.is_none() || (always && !same) {
                return Some("set".to_owned());
            }
        }
        let locked = hash.as_deref().is_some_and(|hash| hash.starts_with('!'));
        match self.arguments.get("password_lock").and_then(Value::as_bool) {
            Some(true) if !locked => Some(format!("usermod -L -- {name}")),
            Some(false) if locked => Some(format!("usermod -U -- {name}")),
            _ => None,
        }
    }

    fn outcome(&self, entry: Option<&Entry>, changed: bool) -> Outcome {
        let mut result: Map<String, Value> = fields([
            ("name", json!(self.name)),
            (
                "state",
                json!(if self.present() { "present" } else { "absent" }),
            ),
        ]);
        if let Some(entry) = entry.filter(|_| self.present()) {
            result.extend(fields([
                ("uid", json!(entry.uid.parse::<u32>().ok())),
                ("group", json!(entry.gid.parse::<u32>().ok())),
                ("comment", json!(entry.comment)),
                ("home", json!(entry.home)),
                ("shell", json!(entry.shell)),
            ]));
            if self.arguments.get("groups").is_some() {
                result.insert(
                    "groups".into(),
                    json!(self.arguments.list("groups").join(",")),
                );
            }
        }
        Outcome {
            changed,
            result,
            secrets: self.password.clone().into_iter().collect(),
            ..Outcome::default()
        }
    }
}

impl Action for Wanted {
    fn describe(&self) -> String {
        if self.present() {
            format!("user {}", self.name)
        } else {
            format!("no user {}", self.name)
        }
    }

    fn by_hand(&self) -> Option<String> {
        let now = (!self.present()).then(Entry::default);
        self.commands(now.as_ref()).into_iter().next()
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let now = self.look(cx)?;
        let mut commands = self.commands(now.as_ref());
        let password = if self.present() {
            self.password(now.as_ref())
        } else {
            None
        };
        if commands.is_empty() && password.is_none() {
            return Ok(Observed::Same(self.outcome(now.as_ref(), false)));
        }
        let sets = password.as_deref() == Some("set");
        commands.extend(password.filter(|_| !sets));
        let mut parts = commands.clone();
        if sets {
            parts.push("set its password".to_owned());
        }
        Ok(Observed::Differs(Change {
            summary: parts.join("; "),
            data: json!({"commands": commands, "password": sets}),
            result: self.outcome(now.as_ref(), true).result,
            ..Change::default()
        }))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let mut text = format!("{PRELUDE}{NO}PATH=$PATH:/usr/sbin:/sbin\n");
        let commands = change.data.get("commands").and_then(Value::as_array);
        for command in commands.into_iter().flatten().filter_map(Value::as_str) {
            text.append(format!("{command} >&2 || no 'it cannot be done'\n"));
        }
        if let (Some(password), Some(true)) = (
            &self.password,
            change.data.get("password").and_then(Value::as_bool),
        ) {
            // By its input: an argument list can be read by anybody. `printf` is built in.
            text.append(format!(
                "printf '%s:%s\\n' {} {} | chpasswd -e >&2 || no 'cannot set the password'\n",
                shell_quote(&self.name),
                shell_quote(password.reveal())
            ));
        }
        Reply::of(&cx.script(text + ":\n")?, &self.name)?;
        let now = self.look(cx)?;
        Ok(self.outcome(now.as_ref(), true))
    }
}
