//! What the units promise. That they are well-formed and how tight their sandbox is, `tests/systemd.sh` asks systemd.

use crate::monitoring::files::read;

const DAEMON: &str = "stocktake-daemon.service";
const ONESHOT: &str = "stocktake.service";

/// The settings of a unit in their order, comments left out.
fn settings(unit: &str) -> Vec<String> {
    let is_setting = |line: &&str| line.contains('=') && !line.starts_with('#');
    read(&format!("systemd/{unit}")).lines().filter(is_setting).map(str::to_owned).collect()
}

fn assert_has(unit: &str, expected: &[&str]) {
    let settings = settings(unit);
    for line in expected {
        assert!(settings.iter().any(|setting| setting == line), "{unit} has no {line}");
    }
}

#[test]
fn the_daemon_tells_systemd_how_it_stands_and_is_restarted_unless_its_configuration_is_wrong() {
    assert_has(
        DAEMON,
        &[
            "Type=notify",
            "NotifyAccess=main",
            "ExecReload=/bin/kill -HUP $MAINPID",
            "WatchdogSec=60s",
            "Restart=on-failure",
            "RestartPreventExitStatus=78",
            // A stop takes less than ten seconds.
            "TimeoutStopSec=20s",
        ],
    );
}

#[test]
fn the_oneshot_has_a_timer_that_catches_up_and_is_no_failure_where_there_are_gaps() {
    assert_has(ONESHOT, &["Type=oneshot", "SuccessExitStatus=3"]);
    assert_has("stocktake.timer", &["Persistent=yes", "RandomizedDelaySec=15min"]);
}

#[test]
fn memory_is_bounded_above_what_several_registries_at_their_worst_take() {
    for unit in [DAEMON, ONESHOT] {
        assert_has(unit, &["MemoryHigh=1G", "MemoryMax=2G"]);
    }
}

#[test]
fn both_services_run_in_the_same_sandbox() {
    let sandbox = |unit| {
        let settings = settings(unit);
        let from = settings.iter().position(|setting| setting == "DynamicUser=yes").expect("the sandbox begins");
        let to = settings.iter().rposition(|setting| setting.starts_with("IPAddressDeny=")).expect("it ends");
        settings[from..=to].to_vec()
    };
    let daemons = sandbox(DAEMON);
    assert_eq!(daemons, sandbox(ONESHOT));
    for line in [
        "StateDirectory=stocktake",
        "CapabilityBoundingSet=",
        "LimitCORE=0",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "IPAddressDeny=169.254.0.0/16 fe80::/10 fd00:ec2::254",
    ] {
        assert!(daemons.iter().any(|setting| setting == line), "no {line}");
    }
}

#[test]
fn both_services_have_descriptors_for_hundreds_of_registries_at_once() {
    for unit in [DAEMON, ONESHOT] {
        assert_has(unit, &["LimitNOFILE=65536"]);
    }
}

#[test]
fn secrets_are_handed_over_as_credentials_and_never_in_the_environment() {
    for unit in [DAEMON, ONESHOT] {
        let text = read(&format!("systemd/{unit}"));
        assert!(text.contains("\n#LoadCredential=quay:/etc/stocktake/credentials/quay\n"), "{unit}");
        assert!(text.contains("`auth: {credential: quay}`"), "{unit} says who reads it");
        assert!(!text.contains("Environment"), "{unit}");
    }
}
