//! The commands of the role's page, typed as they stand there, by somebody who has a cluster and this page.

use std::path::Path;
use std::time::Duration;

use lab::command::{Command, Exit, Output};
use lab::files;
use lab::fleet::{Fleet, Login, Options};
use serde_json::json;

use crate::armed::is_done;
use crate::back::clusters_of;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("readme::its_commands_do_what_they_say", typed)
            .heavy()
            .on_demand("it is four runs, each of which a case of its own tries"),
    ]
}

/// The lines of each block of shell commands, in their order; a line that goes on is one.
fn blocks() -> Result<Vec<Vec<String>>, Failure> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../roles/arangodb/README.md");
    let text = files::read(&page)?.replace("\\\n", " ");
    let mut blocks = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
            if inside {
                blocks.push(Vec::new());
            }
        } else if let (true, Some(block)) = (inside, blocks.last_mut()) {
            block.push(line.to_owned());
        }
    }
    Ok(blocks)
}

/// Types a line of the page, and maybe more behind it.
fn types(fleet: &Fleet, line: &str, more: &str) -> Result<Output, Failure> {
    let shell = Command::line("sh -c").arg(format!("{line} {more}"));
    let shell = shell.within(Duration::from_mins(10));
    Ok(fleet.bastion().command(shell).output()?)
}

fn ends(output: &Output, line: &str, code: i32) -> Outcome {
    let said = format!("{}\n{}", output.out, output.err);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines.get(lines.len().saturating_sub(60)..);
    check(
        output.exit == Exit::Code(code),
        format!(
            "`{line}`: {}, not exit code {code}: {}",
            output.exit,
            last.unwrap_or_default().join("\n")
        ),
    )
}

fn typed(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: the page", 3))?;
    let clusters = clusters_of(lab, &fleet, lab::cluster::Options::default())?;
    let blocks = blocks()?;
    let [upgrade, restart, starters, stranded, back] = blocks.as_slice() else {
        return Err(Failure(format!(
            "other blocks than were known: {blocks:#?}"
        )));
    };
    let home = fleet.bastion().home();
    for line in upgrade {
        // Nobody is there to approve what cannot be taken back.
        let code = if line.contains(" apply ") { 3 } else { 0 };
        ends(&types(&fleet, line, "")?, line, code)?;
        if line.contains(" init ") {
            // The example is made one's own.
            let own = clusters.inventory(Login::Root);
            files::write(&home.join("inventory/arangodb.yml"), own, 0o600)?;
        }
    }
    let package = clusters.main().package("3.3.20");
    let old = json!({"arangodb_version": "3.3.20", "arangodb_packages": [package]});
    files::write(&home.join("old.yml"), old.to_string(), 0o600)?;
    for line in back.iter().chain(restart) {
        ends(&types(&fleet, line, "")?, line, 0)?;
    }
    let apply = upgrade.last().map(String::as_str).unwrap_or_default();
    ends(&types(&fleet, apply, "")?, apply, 3)?;
    let host = fleet.host("node2")?;
    host.power_cut()?;
    host.power_back()?;
    let [recover, resume] = stranded.as_slice() else {
        return Err(Failure(format!("not two lines: {stranded:?}")));
    };
    ends(&types(&fleet, recover, "")?, recover, 0)?;
    // It stopped for an approval, which is still missing.
    ends(&types(&fleet, resume, "")?, resume, 3)?;
    let approved = "--approve upgrade-data";
    ends(&types(&fleet, resume, approved)?, resume, 0)?;
    is_done(&fleet)?;
    // There is nothing left to do, for whatever method.
    for line in starters {
        ends(&types(&fleet, line, "")?, line, 0)?;
    }
    same(back.len(), 1, "ways back")
}
