//! Tests of the doctor, on seven machines written down below `core/tests/fixtures/doctor`.

use super::*;

/// A machine of the fixtures.
fn machine(name: &str) -> Host {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/doctor")
        .join(name);
    let probes = fs::read_to_string(root.join("probes.json")).unwrap();
    Host {
        probes: serde_json::from_str(&probes).unwrap(),
        root,
    }
}

fn check(name: &str, expected: State) {
    let findings = examine(&machine(name));
    let text = table(&findings, 80);
    insta::assert_snapshot!(name, text);
    assert_eq!(verdict(&findings), expected, "{name}");
    for line in text.lines() {
        // Only a word that is longer than its line may stick out, such as a setting's name.
        let fits = line.chars().count() <= 80 || !line.trim().contains(' ');
        assert!(fits, "{name}: {line}");
    }
}

#[test]
fn debian_with_hybrid_cgroups_as_root() {
    check("debian-12-hybrid", State::Limited);
}

#[test]
fn ubuntu_where_apparmor_restricts_user_namespaces() {
    check("ubuntu-24.04-apparmor", State::Missing);
}

#[test]
fn fedora_with_selinux_and_all_that_is_needed() {
    check("fedora-41-selinux", State::Ok);
}

#[test]
fn debian_where_user_namespaces_are_for_root() {
    check("debian-12-hardened", State::Missing);
}

#[test]
fn alpine_without_helpers_and_modules() {
    check("alpine-3.20", State::Limited);
}

#[test]
fn windows_subsystem_with_the_store_on_windows_disk() {
    check("wsl2", State::Limited);
}

#[test]
fn root_inside_a_docker_container() {
    check("docker-container", State::Missing);
}

#[test]
fn findings_are_stable_json() {
    let findings = examine(&machine("ubuntu-24.04-apparmor"));
    let user = findings
        .iter()
        .find(|f| f.name == "user namespace")
        .unwrap();
    insta::assert_json_snapshot!(user, @r##"
{
  "name": "user namespace",
  "state": "missing",
  "seen": "AppArmor restricts them: write(\"/proc/self/uid_map\", \"0 1000 1\"): EPERM (Operation not permitted)",
  "why": "It makes an ordinary user root of a container, and of nothing else; all other namespaces follow from it.",
  "needed": true,
  "remedy": "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 (or give the coracle binary an AppArmor profile that says `userns,`)",
  "chapter": "10-users"
}
"##);
}

#[test]
fn every_finding_that_is_not_ok_has_a_remedy_in_one_line() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/doctor");
    let mut machines = 0;
    for entry in fs::read_dir(fixtures).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        machines += 1;
        for finding in examine(&machine(&name)) {
            let remedy = finding.remedy.as_deref();
            let fine = matches!(finding.state, State::Ok | State::Unknown);
            assert_eq!(fine, remedy.is_none(), "{name}: {finding:?}");
            assert!(
                !remedy.unwrap_or("x").is_empty() && !finding.seen.is_empty(),
                "{finding:?}"
            );
            assert!(!remedy.unwrap_or_default().contains('\n'), "{finding:?}");
        }
    }
    assert_eq!(machines, 7);
}

#[test]
fn an_empty_machine_is_examined_without_a_crash() {
    let root = tempfile::tempdir().unwrap();
    let findings = examine(&Host {
        root: root.path().to_path_buf(),
        probes: Probes::default(),
    });
    assert_eq!(verdict(&findings), State::Missing);
}

#[test]
fn other_words_are_not_for_the_child() {
    let check = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(std::ffi::OsString::from).collect();
        assert_eq!(answer(&arguments), None);
    };
    check(&["coracle"]);
    check(&["coracle", "doctor"]);
    check(&["coracle", "run", "doctor-probe"]);
    check(&["coracle", "doctor-probe"]);
}
