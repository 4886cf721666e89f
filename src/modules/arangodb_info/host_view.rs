//! One machine's view: two scripts, and the starter's own list of its servers.

use serde_json::{Map, Value, json};

use super::asking::{Access, Requests, bearer};
use crate::cluster::arangodb::{
    Answer, Ask as _, HostView, Listed, auto_upgrade, host, listed, setup,
};
use crate::modules::{HostCx, ModuleError, Outcome};
use crate::secrets::Secret;

/// Where to look on the host.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) unit: String,
    pub(super) standalone_unit: String,
    pub(super) binary: String,
    pub(super) data_dir: Option<String>,
    pub(super) hold_file: Option<String>,
    /// Whether the starter is asked for its own upgrade too.
    pub(super) upgrade: bool,
}

/// Reads the host.
pub(super) fn read(
    cx: &mut HostCx<'_>,
    access: &Access,
    place: &Place,
) -> Result<Outcome, ModuleError> {
    let marker = cx.marker()?;
    let hold = place.hold_file.as_deref();
    let text = host::surface_script(&marker, &place.unit, &place.standalone_unit, hold);
    let surface = host::parse_surface(&marker.parts(&cx.script(text)?.out));
    let data_dir = data_dir(&surface, place)?;
    let mut view = HostView {
        surface,
        data_dir,
        binary: place.binary.clone(),
        ..HostView::default()
    };
    let mut pids = Vec::new();
    let mut upgrade = auto_upgrade(Err("the starter does not run"));
    if let Some(starter) = &view.surface.starter {
        let port = starter
            .option("--starter.port")
            .and_then(|port| port.parse().ok())
            .unwrap_or(8528);
        let answer = starter_list(cx, access, port);
        pids = answer
            .as_ref()
            .map(|servers| servers.iter().map(|server| server.pid).collect())
            .unwrap_or_default();
        view.listed = Some(answer);
        if place.upgrade {
            let answer = ask_starter(cx, access, port, "/database-auto-upgrade");
            let answer = answer.as_ref();
            let answer = answer.map(|answer| (answer.status, &answer.body));
            upgrade = auto_upgrade(answer.map_err(String::as_str));
        }
    }
    let text = host::depth_script(&marker, &view.data_dir, &place.binary, &pids);
    view.depth = host::parse_depth(&marker.parts(&cx.script(text)?.out));
    let mut secrets = Vec::new();
    let mut result = Map::new();
    if let Some(text) = &view.depth.setup {
        let (setup, secret) = setup::parse_setup(text).map_err(ModuleError::failed)?;
        view.setup = Some(setup);
        if let Some(secret) = secret.map(Secret::new) {
            let header = bearer(&secret);
            result.insert("authorization".into(), json!(header.reveal()));
            secrets.extend([header, secret]);
        }
    }
    let mut value = view.value();
    if let (true, Value::Object(fields)) = (place.upgrade, &mut value) {
        fields.insert("upgrade".into(), upgrade);
    }
    result.insert("host".into(), value);
    Ok(Outcome {
        result,
        secrets,
        ..Outcome::default()
    })
}

/// Finds the starter's data directory: as named, from the running starter, else from its unit.
fn data_dir(surface: &host::Surface, place: &Place) -> Result<String, ModuleError> {
    let running = surface.starter.as_ref().map(|starter| {
        let named = starter
            .option("--starter.data-dir")
            .or_else(|| starter.option("--data.dir"));
        named.unwrap_or_else(|| starter.directory.clone())
    });
    let unit = || {
        let line = surface.unit.get("ExecStart")?;
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        crate::cluster::process::option(&words, "--starter.data-dir")
    };
    let found = place.data_dir.clone().or(running).or_else(unit);
    found.map(|path| path.trim_end_matches('/').to_owned()).ok_or_else(|| {
        ModuleError::failed(format!(
            "the starter's data directory is not known: {} does not run, and its unit does not name it; set `data_dir`",
            place.unit
        ))
    })
}

/// Asks the host's starter for its servers.
fn starter_list(cx: &mut HostCx<'_>, access: &Access, port: u16) -> Result<Vec<Listed>, String> {
    let answer = ask_starter(cx, access, port, "/process")?;
    if answer.status == 200 {
        Ok(listed(&answer.body))
    } else {
        Err(format!("status {}", answer.status))
    }
}

/// Asks the host's starter; it needs no authorization, and speaks TLS or does not.
fn ask_starter(
    cx: &mut HostCx<'_>,
    access: &Access,
    port: u16,
    path: &str,
) -> Result<Answer, String> {
    let local = Access {
        authorization: access.authorization.clone(),
        via_host: true,
    };
    let mut last = String::new();
    for scheme in ["http", "https"] {
        let answer = Requests::new(cx, &local).get(&format!("{scheme}://127.0.0.1:{port}"), path);
        match answer {
            // Whoever speaks the other protocol answers no JSON.
            Ok(answer) if answer.body != Value::Null => return Ok(answer),
            Ok(answer) => last = format!("status {}", answer.status),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}
