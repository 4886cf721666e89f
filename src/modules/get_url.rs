//! `get_url`: a file from a URL.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use sha2::Digest as _;

use super::files::{
    Attributes, BACKUP, FILE_ARGUMENTS, FileKind, GROUP, MODE, NO, OWNER, PRELUDE, PathState,
    Place, Reply, STATE, hex, path_word, read_state,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::template::PLACE_RETURNS_ARRAY;
use super::uri::file_name;
use super::web::{
    AGENT, CA_PATH, CLIENT_CERT, CLIENT_KEY, FORCE_BASIC, Failed, HEADERS, PASSWORD, Request,
    USERNAME, VALIDATE_CERTS, VIA,
};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "get_url",
    summary: "Fetches a file from a URL",
    notes: &[
        "The request goes through the host's session unless `via: bastion` is given; files of up to 256 MiB.",
        "A file that is there is left alone unless `force` is given or it has not the checksum.",
    ],
    arguments: &[
        Argument::new("url", Kind::Str, "The whole URL.").required(),
        Argument::new(
            "dest",
            Kind::Path,
            "The file, or the directory that gets it.",
        )
        .required(),
        Argument::new(
            "checksum",
            Kind::Str,
            "ALGORITHM:DIGEST, or ALGORITHM:URL of a file of digests.",
        )
        .default(""),
        Argument::new(
            "force",
            Kind::Flag,
            "Whether it is fetched though a file is there.",
        )
        .aliases(&["thirsty"])
        .default("false"),
        HEADERS,
        Argument::new("timeout", Kind::Duration, "How long all of it may take.").default("10"),
        VIA,
        USERNAME,
        PASSWORD,
        FORCE_BASIC,
        VALIDATE_CERTS,
        CA_PATH,
        CLIENT_CERT,
        CLIENT_KEY,
        AGENT,
        BACKUP,
        MODE,
        OWNER,
        GROUP,
    ],
    absent: &{
        let [a, b, c, d, e, f, g] = FILE_ARGUMENTS;
        [
            ("ciphers", "the safe ones are used"),
            ("decompress", "answers are always unpacked"),
            ("tmp_dest", "the file is written beside its place"),
            (
                "unredirected_headers",
                "credentials never go to another place",
            ),
            ("use_gssapi", "run `curl --negotiate` with `command`"),
            ("use_netrc", "give user and password"),
            ("use_proxy", "no proxy is used"),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
        ]
    },
    example: "- get_url:\n    url: http://repo.example/demo_1.1_amd64.deb\n    dest: /var/cache/demo/\n    checksum: sha256:6f1e...\n",
    returns: RETURNS,
    ..ModuleSpec::EMPTY
};

const RETURNS: &[(&str, &str)] = &{
    let [a, b, c, d, e, f, g, h, i, j, k, l] = PLACE_RETURNS_ARRAY;
    [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        k,
        l,
        ("url", "the URL"),
        ("status_code", "the answer's status"),
        ("checksum_src", "the fetched file's SHA-1"),
        ("checksum_dest", "the SHA-1 of the file that was there"),
        ("elapsed", "how long it took, in seconds"),
        ("msg", "what was said"),
    ]
};

/// The module.
#[derive(Debug)]
pub(super) struct GetUrl;

impl Module for GetUrl {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Getting::of(arguments)
            .map(|getting| Box::new(getting) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

#[derive(Debug)]
struct Getting {
    arguments: Arguments,
    request: Request,
    place: Place,
    force: bool,
    checksum: Option<(Algorithm, String)>,
    fetched: OnceLock<(Vec<u8>, u16, u64)>,
}

/// What is there before anything is fetched.
#[derive(Debug)]
struct There {
    path: String,
    state: Option<PathState>,
    /// Its digest of the wanted kind.
    digest: Option<String>,
    sha1: Option<String>,
}

/// A digest's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    fn program(self) -> &'static str {
        match self {
            Self::Md5 => "md5sum",
            Self::Sha1 => "sha1sum",
            Self::Sha224 => "sha224sum",
            Self::Sha256 => "sha256sum",
            Self::Sha384 => "sha384sum",
            Self::Sha512 => "sha512sum",
        }
    }

    fn of(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex(&md5::Md5::digest(bytes)),
            Self::Sha1 => hex(&sha1::Sha1::digest(bytes)),
            Self::Sha224 => hex(&sha2::Sha224::digest(bytes)),
            Self::Sha256 => hex(&sha2::Sha256::digest(bytes)),
            Self::Sha384 => hex(&sha2::Sha384::digest(bytes)),
            Self::Sha512 => hex(&sha2::Sha512::digest(bytes)),
        }
    }
}

impl Getting {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let request = Request::of(arguments, 10)?;
        let checksum = match arguments.str("checksum").filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => {
                let wrong = || {
                    ModuleError::failed(
                        "The checksum parameter has to be in format <algorithm>:<checksum>",
                    )
                };
                let (algorithm, digest) = text.split_once(':').ok_or_else(wrong)?;
                let algorithm = Algorithm::parse(algorithm.trim()).ok_or_else(wrong)?;
                Some((algorithm, digest.trim().to_owned()))
            }
        };
        Ok(Self {
            place: Place {
                dest: arguments.str("dest").unwrap_or_default().to_owned(),
                name: Some(file_name(&request.url)),
                follow: true,
                backup: arguments.flag("backup"),
                attributes: Attributes::of(arguments)?,
                ..Place::default()
            },
            request,
            force: arguments.flag("force"),
            checksum,
            arguments: arguments.clone(),
            fetched: OnceLock::new(),
        })
    }

    /// Returns the digest that is wanted; a URL in its place is fetched and searched for the file's name.
    fn wanted(&self, cx: &mut HostCx<'_>) -> Result<Option<(Algorithm, String)>, ModuleError> {
        let Some((algorithm, digest)) = &self.checksum else {
            return Ok(None);
        };
        if !digest.contains("://") {
            return Ok(Some((*algorithm, digest.to_lowercase())));
        }
        let mut arguments = self.arguments.clone();
        arguments.values.insert("url".to_owned(), json!(digest));
        let (list, ..) = get(&Request::of(&arguments, 10)?, cx)?;
        let list = String::from_utf8_lossy(&list).into_owned();
        let name = file_name(&self.request.url);
        let found = digest_in(&list, &name).ok_or_else(|| {
            ModuleError::failed(format!(
                "Unable to find a checksum for file '{name}' in '{digest}'"
            ))
        })?;
        Ok(Some((*algorithm, found)))
    }

    /// Looks at what is there.
    fn look(
        &self,
        cx: &mut HostCx<'_>,
        algorithm: Option<Algorithm>,
    ) -> Result<There, ModuleError> {
        let name = shell_quote(self.place.name.as_deref().unwrap_or("index.html"));
        let mut text = format!(
            "{PRELUDE}{STATE}{NO}p={}\ncase $p in */) p=${{p}}{name} ;; *) [ ! -d \"$p\" ] || p=$p/{name} ;; esac\n\
             printf 'path=%s\\0' \"$p\"\nst state \"$p\" -L\n\
             [ ! -f \"$p\" ] || {{ h=$(sha1sum <\"$p\") && printf 'sha1=%s\\0' \"${{h%% *}}\"; }}\n",
            path_word(&self.place.dest)
        );
        if let Some(algorithm) = algorithm {
            let program = algorithm.program();
            text.push_str(
                &[
                    "[ ! -f \"$p\" ] || { h=$(",
                    program,
                    " <\"$p\") && printf 'digest=%s\\0' \"${h%% *}\"; }\n",
                ]
                .concat(),
            );
        }
        let reply = Reply::of(
            &cx.script(text + ":\n")?,
            &format!("cannot read {}", self.place.dest),
        )?;
        let own = |name: &str| reply.line(name).map(str::to_owned);
        Ok(There {
            path: own("path").unwrap_or_default(),
            state: read_state(&reply, "state")?,
            digest: own("digest"),
            sha1: own("sha1"),
        })
    }

    fn fetched(
        &self,
        cx: &mut HostCx<'_>,
        wanted: Option<&(Algorithm, String)>,
    ) -> Result<&(Vec<u8>, u16, u64), ModuleError> {
        if let Some(fetched) = self.fetched.get() {
            return Ok(fetched);
        }
        let fetched = get(&self.request, cx)?;
        if let Some((algorithm, digest)) = wanted {
            let found = algorithm.of(&fetched.0);
            if found != *digest {
                return Err(ModuleError::failed(format!(
                    "The checksum for {} did not match {digest}; it was {found}.",
                    self.place.dest
                )));
            }
        }
        Ok(self.fetched.get_or_init(|| fetched))
    }

    fn extend(&self, result: &mut Map<String, Value>, before: Option<&str>) {
        result.insert("url".into(), json!(self.request.url));
        result.insert("checksum_dest".into(), json!(before));
        if let Some((content, status, elapsed)) = self.fetched.get() {
            result.insert("checksum_src".into(), json!(Algorithm::Sha1.of(content)));
            result.insert("status_code".into(), json!(status));
            result.insert("elapsed".into(), json!(elapsed));
            result.insert("msg".into(), json!(format!("OK ({} bytes)", content.len())));
        }
    }
}

/// Fetches a URL: the content, the status, and how many seconds it took.
fn get(request: &Request, cx: &mut HostCx<'_>) -> Result<(Vec<u8>, u16, u64), ModuleError> {
    let answer = request.send(cx, None).map_err(|failed| match failed {
        Failed::Module(error) => error,
        Failed::NoAnswer(error) => ModuleError::failed(format!("Request failed: {error}")),
    })?;
    let status = answer.reply.status;
    if status != 200 {
        let mut result = Map::new();
        result.insert("status_code".into(), json!(status));
        result.insert("url".into(), json!(request.url));
        return Err(ModuleError::Failed {
            message: format!("Request failed: {} answered with {status}", request.url),
            result,
        });
    }
    Ok((answer.reply.body, status, answer.elapsed.as_secs()))
}

/// Finds a file's digest in a list as `sha256sum` prints it, or that holds only one.
fn digest_in(list: &str, name: &str) -> Option<String> {
    let mut lines = list.lines().filter(|line| !line.trim().is_empty());
    let digest = |word: &str| word.len() >= 32 && word.chars().all(|c| c.is_ascii_hexdigit());
    let named = list.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (first, second) = (words.next()?, words.next()?);
        let path = second.trim_start_matches('*').trim_start_matches("./");
        (digest(first) && path == name).then(|| first.to_lowercase())
    });
    named.or_else(|| {
        let only = lines.next().map(str::trim).filter(|word| digest(word))?;
        lines.next().is_none().then(|| only.to_lowercase())
    })
}

impl Action for Getting {
    fn describe(&self) -> String {
        format!("fetch {} to {}", self.request.url, self.place.dest)
    }

    fn by_hand(&self) -> Option<String> {
        Some(format!(
            "curl -o {} {}",
            shell_quote(&self.place.dest),
            shell_quote(&self.request.url)
        ))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let wanted = self.wanted(cx)?;
        let there = self.look(cx, wanted.as_ref().map(|(algorithm, _)| *algorithm))?;
        let There {
            path,
            state,
            digest,
            sha1: before,
        } = there;
        let there = state
            .as_ref()
            .is_some_and(|state| state.kind == FileKind::File);
        let right = match &wanted {
            Some((_, wanted)) => digest.as_ref() == Some(wanted),
            None => there && !self.force,
        };
        if there
            && right
            && let Some(state) = &state
        {
            let differences = self.place.attributes.differences(state);
            let mut result = state.fields();
            result.insert("dest".into(), json!(path));
            result.insert("msg".into(), json!("file already exists"));
            self.extend(&mut result, before.as_deref());
            if differences.is_empty() {
                return Ok(Observed::Same(Outcome {
                    result,
                    ..Outcome::default()
                }));
            }
            let mut change = Change::new(format!("{path}: {}", differences.join(", ")));
            change.data = json!({"attributes": path});
            change.result = result;
            return Ok(Observed::Differs(change));
        }
        let (content, ..) = self.fetched(cx, wanted.as_ref())?;
        let mut observed = self.place.observe(cx, content)?;
        match &mut observed {
            Observed::Same(outcome) => self.extend(&mut outcome.result, before.as_deref()),
            Observed::Differs(change) => self.extend(&mut change.result, before.as_deref()),
            Observed::Skip(_) | Observed::Unknown(_) => {}
        }
        Ok(observed)
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        if let Some(path) = change.data.get("attributes").and_then(Value::as_str) {
            let state = self.place.attributes.set(cx, path)?;
            let mut result = change.result.clone();
            result.extend(state.fields());
            return Ok(Outcome {
                changed: true,
                result,
                ..Outcome::default()
            });
        }
        // What was fetched and checked while observing is what is written.
        let wanted = match self.fetched.get() {
            Some(_) => None,
            None => self.wanted(cx)?,
        };
        let (content, ..) = self.fetched(cx, wanted.as_ref())?;
        let mut outcome = self.place.apply(cx, content, change)?;
        let before = change.result.get("checksum_dest").and_then(Value::as_str);
        self.extend(&mut outcome.result, before);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_found_in_a_list() {
        let a = "a".repeat(64);
        let b = "B".repeat(64);
        let list = format!("{a}  other\n{b} *x.deb\n");
        assert_eq!(digest_in(&list, "x.deb"), Some("b".repeat(64)));
        assert_eq!(digest_in(&list, "y.deb"), None);
        assert_eq!(digest_in(&format!("{a}\n"), "any"), Some(a));
    }
}
