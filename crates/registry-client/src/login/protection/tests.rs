//! The rule as a table, and what is known of real files.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const OWN: u32 = 1000;
const OTHER: u32 = 2000;

fn own() -> OwnIds {
    OwnIds { user: OWN, groups: vec![OWN, 3000] }
}

fn facts(owner: u32, group: u32, mode: u32) -> FileFacts {
    let mount = MountFacts::default();
    FileFacts { owner, group, mode, has_acl: false, mount, is_below_closed_directory: false }
}

#[test]
fn only_we_or_our_groups_may_read_a_file_on_a_common_disk() {
    for (owner, group, mode, accepted) in [
        (OWN, OWN, 0o600, true),
        (OWN, OTHER, 0o400, true),
        (0, 0, 0o400, true),
        // Kubernetes with `fsGroup`, OpenShift: root's, readable for a further group of ours.
        (0, 3000, 0o440, true),
        (0, OWN, 0o640, true),
        (OWN, 3000, 0o640, true),
        (0, 3000, 0o550, true),
        // Debian's `ssl-cert` for a user who is not in that group.
        (0, OTHER, 0o640, false),
        (OWN, OTHER, 0o640, false),
        (0, 0, 0o440, false),
        (0, 0, 0o444, false),
        (OWN, OWN, 0o644, false),
        (OWN, OWN, 0o604, false),
        (0, 3000, 0o445, false),
    ] {
        let file = facts(owner, group, mode);
        assert_eq!(file.changeable(&own()), None, "{file:?}");
        assert_eq!(!file.is_readable(&own()), accepted, "{file:?}");
    }
}

#[test]
fn a_place_of_its_own_shelters_a_file_that_others_can_read() {
    let read_only = MountFacts { is_read_only: true, ..MountFacts::default() };
    let in_memory = MountFacts { is_in_memory: true, ..MountFacts::default() };
    let the_file = MountFacts { is_the_file: true, ..MountFacts::default() };
    for mount in [read_only, in_memory, the_file] {
        for (group, mode) in [(0, 0o444), (OTHER, 0o440), (0, 0o644)] {
            let file = FileFacts { mount, ..facts(0, group, mode) };
            assert!(!file.is_readable(&own()) && file.changeable(&own()).is_none(), "{file:?}");
        }
    }
    let below = FileFacts { is_below_closed_directory: true, ..facts(OWN, OWN, 0o644) };
    assert!(!below.is_readable(&own()));
}

#[test]
fn a_file_that_another_user_can_change_is_refused_wherever_it_lies() {
    let sheltered = MountFacts { is_in_memory: true, is_the_file: true, is_read_only: true };
    for mode in [0o620, 0o602, 0o666, 0o460, 0o611, 0o610, 0o601] {
        for owner in [0, OWN] {
            let file = FileFacts { mount: sheltered, is_below_closed_directory: true, ..facts(owner, OWN, mode) };
            assert_eq!(file.changeable(&own()), Some(WhoChanges::GroupOrOthers), "{file:?}");
        }
    }
    // 65534: the owner is outside this user namespace.
    for owner in [OTHER, 65534] {
        for mode in [0o400, 0o440, 0o444] {
            let mount = MountFacts { is_read_only: false, ..sheltered };
            let file = FileFacts { mount, is_below_closed_directory: true, ..facts(owner, OWN, mode) };
            assert_eq!(file.changeable(&own()), Some(WhoChanges::Owner), "{file:?}");
            // Compose mounts a file of the host read-only, with its owner.
            let mounted = FileFacts { mount: sheltered, ..file };
            assert!(mounted.changeable(&own()).is_none() && !mounted.is_readable(&own()), "{mounted:?}");
        }
    }
}

#[test]
fn behind_a_list_of_further_users_the_groups_bits_are_theirs() {
    let file = FileFacts { has_acl: true, ..facts(0, OWN, 0o440) };
    assert!(file.is_readable(&own()));
    assert!(!FileFacts { has_acl: true, ..facts(OWN, OWN, 0o600) }.is_readable(&own()));
    // systemd's credentials have such a list, on a read-only mount.
    let mount = MountFacts { is_read_only: true, ..MountFacts::default() };
    assert!(!FileFacts { mount, ..file }.is_readable(&own()));
}

#[test]
fn a_correction_is_advised_only_where_this_user_can_make_it() {
    let read_only = MountFacts { is_read_only: true, ..MountFacts::default() };
    assert!(facts(OWN, OWN, 0o644).can_be_corrected(&own()));
    assert!(!facts(0, OTHER, 0o440).can_be_corrected(&own()));
    assert!(facts(OTHER, OTHER, 0o644).can_be_corrected(&OwnIds { user: 0, groups: vec![0] }));
    assert!(!FileFacts { mount: read_only, ..facts(OWN, OWN, 0o644) }.can_be_corrected(&own()));
}

fn known(path: &Path) -> FileFacts {
    let own = OwnIds::of_process();
    FileFacts::of(&File::open(path).expect("opened"), path, &own).expect("known")
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
}

#[test]
fn a_directory_closed_to_others_is_found_behind_links() {
    let place = tempfile::tempdir().expect("a directory");
    mode(place.path(), 0o755);
    let (outer, inner) = (place.path().join("outer"), place.path().join("outer/..2026"));
    std::fs::create_dir_all(&inner).expect("made");
    let (file, link) = (inner.join("password"), place.path().join("link"));
    std::fs::write(&file, "hunter2").expect("written");
    mode(&file, 0o644);
    std::os::unix::fs::symlink("outer/..data/password", &link).expect("linked");
    std::os::unix::fs::symlink("..2026", outer.join("..data")).expect("linked");
    for (directory, closed) in [(0o755, false), (0o711, false), (0o701, false), (0o750, true), (0o700, true)] {
        mode(&outer, directory);
        for path in [&file, &link, &outer.join("..data/password")] {
            assert_eq!(known(path).is_below_closed_directory, closed, "{directory:o} {}", path.display());
        }
    }
    // The link lies in a closed directory, and the file does not.
    mode(&outer, 0o755);
    let closed = place.path().join("closed");
    std::fs::create_dir(&closed).expect("made");
    mode(&closed, 0o700);
    std::os::unix::fs::symlink(&file, closed.join("link")).expect("linked");
    assert!(!known(&closed.join("link")).is_below_closed_directory);
    // A second name may lie outside.
    std::fs::hard_link(&file, closed.join("name")).expect("linked");
    assert!(!known(&closed.join("name")).is_below_closed_directory);
}

#[test]
#[cfg(target_os = "linux")]
fn the_disk_of_temporary_files_is_no_shelter() {
    let file = tempfile::NamedTempFile::new_in("/tmp").expect("a file");
    assert_eq!(mount(file.as_file(), &file.as_file().metadata().expect("known")), MountFacts::default());
    // The kernel's own files are no secrets, and lie on a mount of their own.
    let file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a file");
    assert!(!mount(file.as_file(), &file.as_file().metadata().expect("known")).is_in_memory);
}

#[test]
#[cfg(target_os = "linux")]
fn a_list_of_further_users_is_seen() {
    // acl(5) as the kernel keeps it: the owner, a further user, the group, the mask, others; each a tag, rights, an ID.
    let entries =
        [(0x01, 6, u32::MAX), (0x02, 4, OTHER), (0x04, 0, u32::MAX), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        list.extend([u16::to_le_bytes(tag), u16::to_le_bytes(rights)].concat());
        list.extend(id.to_le_bytes());
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    mode(file.path(), 0o600);
    assert!(!known(file.path()).has_acl);
    match rustix::fs::setxattr(file.path(), ACL, &list, rustix::fs::XattrFlags::empty()) {
        Ok(()) => {
            let facts = known(file.path());
            assert_eq!((facts.has_acl, facts.mode), (true, 0o640), "the mask shows as the group's rights");
            assert!(facts.is_readable(&OwnIds::of_process()));
        }
        // Not every file system has lists.
        Err(error) => assert_eq!(error, rustix::io::Errno::OPNOTSUPP),
    }
}
