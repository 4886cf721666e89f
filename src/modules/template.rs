//! `template`: a Jinja template of the controller, rendered into a file of the host.

use std::sync::OnceLock;

use serde_json::{Map, json};

use super::files::{Attributes, BACKUP, FILE_ARGUMENTS, GROUP, MODE, OWNER, Place, VALIDATE};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "template",
    summary: "Renders a template of the controller into a file of the host",
    notes: &[
        "`template_path`, `template_fullpath`, `template_destpath`, `template_run_date` and `ansible_managed` are defined in the template.",
        "A line `#jinja2: trim_blocks:False` at the template's start changes how it is read.",
    ],
    arguments: &[
        Argument::new(
            "src",
            Kind::Str,
            "The template's path on the controller, looked for in `templates`.",
        )
        .required(),
        Argument::new(
            "dest",
            Kind::Path,
            "The path on the host; a directory gets a file with the template's name.",
        )
        .required(),
        Argument::new("newline_sequence", Kind::Str, "How lines end in the file.")
            .choices(&["\\n", "\\r", "\\r\\n", "\n", "\r", "\r\n"])
            .default("\\n"),
        Argument::new(
            "force",
            Kind::Flag,
            "Whether a file that is there already is replaced.",
        )
        .default("true"),
        Argument::new(
            "follow",
            Kind::Flag,
            "Whether a link at the path is followed; else it is replaced by the file.",
        )
        .default("false"),
        BACKUP,
        VALIDATE,
        MODE.choices(&["preserve"]),
        OWNER,
        GROUP,
    ],
    absent: TEMPLATE_ABSENT,
    example: "- template:\n    src: demo.service.j2\n    dest: /etc/systemd/system/demo.service\n    mode: \"0644\"\n  notify: reload\n",
    returns: PLACE_RETURNS,
    ..ModuleSpec::EMPTY
};

/// What the results of `template` and `copy` hold beside a file's own fields.
pub(super) const PLACE_RETURNS: &[(&str, &str)] = &PLACE_RETURNS_ARRAY;

/// The same as an array, to be added to.
pub(super) const PLACE_RETURNS_ARRAY: [(&str, &str); 12] = [
    ("dest", "the path on the host"),
    ("src", "the path on the controller"),
    ("checksum", "the content's SHA-1"),
    ("md5sum", "the content's MD5, if it was written"),
    ("backup_file", "where the old file is kept"),
    ("mode", "the permissions"),
    ("owner", "the owner's name"),
    ("group", "the group's name"),
    ("uid", "the owner's number"),
    ("gid", "the group's number"),
    ("size", "the size in bytes"),
    ("state", "file"),
];

const TEMPLATE_ABSENT: &[(&str, &str)] = &{
    let header = "write a `#jinja2:` line at the template's start";
    let [a, b, c, d, e, f, g] = FILE_ARGUMENTS;
    [
        ("block_start_string", header),
        ("block_end_string", header),
        ("variable_start_string", header),
        ("variable_end_string", header),
        ("comment_start_string", header),
        ("comment_end_string", header),
        ("trim_blocks", header),
        ("lstrip_blocks", header),
        ("output_encoding", "files are written in UTF-8"),
        a,
        b,
        c,
        d,
        e,
        f,
        g,
    ]
};

/// The module.
#[derive(Debug)]
pub(super) struct Template;

impl Module for Template {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let src = arguments.str("src").unwrap_or_default().to_owned();
        let name = src.rsplit('/').next().unwrap_or_default();
        let newline = arguments.str("newline_sequence").unwrap_or("\n");
        let newline = newline.replace("\\n", "\n").replace("\\r", "\r");
        let place = |attributes| Place {
            dest: arguments.str("dest").unwrap_or_default().to_owned(),
            name: Some(name.to_owned()),
            follow: arguments.flag("follow"),
            keep: arguments.get("force") == Some(&json!(false)),
            backup: arguments.flag("backup"),
            validate: arguments.str("validate").map(str::to_owned),
            attributes,
        };
        let attributes = Attributes::of(arguments).map_err(|error| error.in_task(arguments))?;
        Ok(Box::new(Rendering {
            preserve: arguments.str("mode") == Some("preserve"),
            place: place(attributes),
            src,
            newline,
            rendered: OnceLock::new(),
        }))
    }
}

#[derive(Debug)]
struct Rendering {
    src: String,
    newline: String,
    place: Place,
    preserve: bool,
    rendered: OnceLock<(String, Place)>,
}

impl Rendering {
    /// Renders once: what was observed is what is written, whatever a clock or a password lookup would say next time.
    fn rendered(&self, cx: &HostCx<'_>) -> Result<&(String, Place), ModuleError> {
        if let Some(rendered) = self.rendered.get() {
            return Ok(rendered);
        }
        let mut further = Map::new();
        let date = cx.clock.now().strftime("%Y-%m-%d %H:%M:%S").to_string();
        for (name, value) in [
            ("template_path", self.src.as_str()),
            ("template_fullpath", &self.src),
            ("template_destpath", &self.place.dest),
            ("template_run_date", &date),
        ] {
            further.insert(name.to_owned(), json!(value));
        }
        if cx
            .controller
            .variable("ansible_managed")
            .ok()
            .flatten()
            .is_none()
        {
            further.insert("ansible_managed".to_owned(), json!("Ansible managed"));
        }
        let text = cx
            .controller
            .render_file(&self.src, &further)
            .map_err(ModuleError::Argument)?;
        let text = if self.newline == "\n" {
            text
        } else {
            text.replace('\n', &self.newline)
        };
        let mut place = self.place.clone();
        if self.preserve {
            let mode = cx.controller.mode("templates", &self.src);
            place.attributes.mode = mode.map(super::files::Mode::Bits);
        }
        Ok(self.rendered.get_or_init(|| (text, place)))
    }
}

impl Action for Rendering {
    fn describe(&self) -> String {
        let attributes = self.place.attributes.describe();
        format!("write {} from {}{attributes}", self.place.dest, self.src)
    }

    fn by_hand(&self) -> Option<String> {
        Some(format!(
            "# put the rendered {} at {}",
            self.src,
            shell_quote(&self.place.dest)
        ))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let (text, place) = self.rendered(cx)?;
        place.observe(cx, text.as_bytes())
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let (text, place) = self.rendered(cx)?;
        let mut outcome = place.apply(cx, text.as_bytes(), change)?;
        outcome.result.insert("src".into(), json!(self.src));
        Ok(outcome)
    }
}
