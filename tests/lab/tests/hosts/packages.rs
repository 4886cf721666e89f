//! Packages made here are packages to dpkg, and what they do on a host is counted.

use lab::fleet::{Fleet, Host};
use lab::packages::{Content, Deb, EFFECTS, Script};

use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "packages::dpkg_takes_what_is_made_here",
            dpkg_takes_what_is_made_here,
        ),
        case(
            "packages::a_policy_holds_services_back",
            a_policy_holds_services_back,
        ),
    ]
}

const SERVICE: &str =
    "[Service]\nExecStart=/usr/bin/thing\n[Install]\nWantedBy=multi-user.target\n";

fn thing(version: &str) -> Deb {
    let text = |text: &str| Content::Text(text.to_owned());
    Deb::new("thing", version)
        .file(
            "/usr/bin/thing",
            0o755,
            text("#!/bin/sh\nexec sleep 1004\n"),
        )
        .file(
            "/usr/bin/other",
            0o755,
            Content::LinkTo("/usr/bin/thing".to_owned()),
        )
        .file("/usr/share/thing/secret", 0o640, text(version))
        .file("/lib/systemd/system/thing.service", 0o644, text(SERVICE))
        .configuration("/etc/thing.conf", "shipped\n")
        .script(
            Script::Postinst,
            "systemctl daemon-reload; deb-systemd-helper enable thing.service; \
             invoke-rc.d thing restart",
        )
        .script(Script::Prerm, "invoke-rc.d thing stop")
}

fn install(fleet: &Fleet, host: &Host, version: &str) -> Outcome {
    let deb = thing(version).build(&fleet.directory().join("packages"))?;
    host.install(&[deb])?;
    Ok(())
}

fn dpkg_takes_what_is_made_here(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("packages", 1)?;
    let host = fleet.host("node1")?;
    install(&fleet, host, "1.0")?;
    let shown = "dpkg-query -W -f '${Version} ${Status}\\n' thing; \
                 stat -c '%a %U %h' /usr/bin/other /usr/share/thing/secret; \
                 dpkg --verify thing; dpkg --audit";
    let expected = "1.0 install ok installed\n755 root 2\n640 root 1\n";
    same(host.must(shown)?.as_str(), expected, "what dpkg knows")?;
    host.must("echo mine >/etc/thing.conf")?;
    install(&fleet, host, "1.1")?;
    same(
        host.read("/etc/thing.conf")?.as_deref(),
        Some("mine\n"),
        "configuration",
    )?;
    same(
        host.read("/usr/share/thing/secret")?.as_deref(),
        Some("1.1"),
        "content",
    )?;
    host.must("dpkg --purge thing")?;
    let expected = [
        "1.0 preinst install",
        "1.0 postinst configure ",
        "1.0 prerm upgrade 1.1",
        "1.1 preinst upgrade 1.0 1.1",
        "1.0 postrm upgrade 1.1",
        "1.1 postinst configure 1.0",
        "1.1 prerm remove",
        "1.1 postrm remove",
        "1.1 postrm purge",
    ];
    same(
        counted(host)?,
        expected.map(str::to_owned).to_vec(),
        "counted",
    )
}

fn a_policy_holds_services_back(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("policy-rc.d", 1)?;
    let host = fleet.host("node1")?;
    let pid =
        || -> Result<String, Failure> { Ok(host.must("systemctl show --value -p MainPID thing")?) };
    install(&fleet, host, "1.0")?;
    let first = pid()?;
    check(
        first.trim() != "0",
        "an installation did not start the service",
    )?;
    host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)?;
    install(&fleet, host, "1.1")?;
    same(pid()?, first.clone(), "pid under a policy")?;
    host.must("rm /usr/sbin/policy-rc.d")?;
    install(&fleet, host, "1.2")?;
    check(
        pid()? != first,
        "without a policy the service was not restarted",
    )
}

/// Returns what was counted: version, script and its arguments.
fn counted(host: &Host) -> Result<Vec<String>, Failure> {
    let text = host.read(EFFECTS)?.unwrap_or_default();
    let mut counted = Vec::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let of = |name: &str| line.get(name).and_then(|v| v.as_str()).unwrap_or("?");
        same(of("place"), "thing", "package")?;
        counted.push(format!("{} {} {}", of("version"), of("what"), of("detail")));
    }
    Ok(counted)
}
