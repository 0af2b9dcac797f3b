//! Whether other users can read or change a secret file: a rule about what is known of the opened file. This module
//! reads no content.
//!
//! A secret of Kubernetes is root's, readable for the group of the pod (`fsGroup`) or for all, on a read-only tmpfs.
//! Docker mounts secrets read-only and readable for all; Podman mounts each as a file of its own. None of these modes
//! can be changed where the program runs. The rule is documented in docs/configuration.md.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The user of this process, and its groups.
#[derive(Clone, Debug)]
pub(crate) struct OwnIds {
    pub(crate) user: u32,
    pub(crate) groups: Vec<u32>,
}

impl OwnIds {
    /// The effective user, the effective group, and the further groups.
    pub(crate) fn of_process() -> Self {
        let further = rustix::process::getgroups().unwrap_or_default();
        let groups = std::iter::once(rustix::process::getegid()).chain(further).map(rustix::process::Gid::as_raw);
        Self { user: rustix::process::geteuid().as_raw(), groups: groups.collect() }
    }

    fn is_trusted(&self, owner: u32) -> bool {
        owner == 0 || owner == self.user
    }
}

/// What is known of the mount on which a file lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MountFacts {
    /// Nobody can change the file here.
    pub(crate) is_read_only: bool,
    /// A tmpfs or ramfs, other than the shared ones `/tmp`, `/var/tmp` and `/dev/shm`.
    pub(crate) is_in_memory: bool,
    /// The file alone is mounted, as Podman mounts a secret.
    pub(crate) is_the_file: bool,
}

/// What is known of an opened file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileFacts {
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) mode: u32,
    /// Whether a list names further users. Then the bits of the group are those of all whom the list names.
    pub(crate) has_acl: bool,
    pub(crate) mount: MountFacts,
    /// Whether a directory above it lets only us and our groups pass.
    pub(crate) is_below_closed_directory: bool,
}

/// Who else can change a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhoChanges {
    /// Its mode allows it, or running it, to group or others.
    GroupOrOthers,
    /// It belongs to another user.
    Owner,
}

impl FileFacts {
    /// Who else can change the file, if anybody.
    pub(crate) fn changeable(&self, own: &OwnIds) -> Option<WhoChanges> {
        // Nothing mounts a secret that may be run but not read; such a mode is a mistake.
        let only_run = self.mode & 0o011 & !(self.mode >> 2);
        if self.mode & 0o022 != 0 || only_run != 0 {
            return Some(WhoChanges::GroupOrOthers);
        }
        // A file-based secret of Compose keeps the owner that it has on the host, and is mounted read-only. In a user
        // namespace, an owner outside it appears as the overflow user (65534) and is a foreign one.
        let is_foreign = !own.is_trusted(self.owner) && !self.mount.is_read_only;
        is_foreign.then_some(WhoChanges::Owner)
    }

    /// Whether others can read the file.
    pub(crate) fn is_readable(&self, own: &OwnIds) -> bool {
        let for_others = self.mode & 0o004 != 0;
        let for_group = self.mode & 0o040 != 0 && (self.has_acl || !own.groups.contains(&self.group));
        let MountFacts { is_read_only, is_in_memory, is_the_file } = self.mount;
        let is_sheltered = is_read_only || is_in_memory || is_the_file || self.is_below_closed_directory;
        (for_others || for_group) && !is_sheltered
    }

    /// Whether a `chmod` or `chown` by this user could help.
    pub(crate) fn can_be_corrected(&self, own: &OwnIds) -> bool {
        let MountFacts { is_read_only, is_the_file, .. } = self.mount;
        (own.user == 0 || own.user == self.owner) && !is_read_only && !is_the_file
    }

    /// Asks the system about an opened file. `path` is where it was opened.
    pub(crate) fn of(file: &File, path: &Path, own: &OwnIds) -> io::Result<Self> {
        let data = file.metadata()?;
        let facts = Self {
            owner: data.uid(),
            group: data.gid(),
            mode: data.mode() & 0o7777,
            has_acl: file_has_acl(file),
            mount: mount(file, &data),
            is_below_closed_directory: false,
        };
        let is_below_closed_directory = facts.is_readable(own) && is_below_closed_directory(path, &data, own);
        Ok(Self { is_below_closed_directory, ..facts })
    }
}

/// Whether a directory above the real place of the file is closed to others. A file with several names may have another
/// one outside.
fn is_below_closed_directory(path: &Path, opened: &Metadata, own: &OwnIds) -> bool {
    let Ok(real) = path.canonicalize() else { return false };
    // The path may lead to another file by now.
    let is_same = real.metadata().is_ok_and(|data| (data.dev(), data.ino()) == (opened.dev(), opened.ino()));
    let is_closed = |directory: &Path| {
        directory.metadata().is_ok_and(|data| {
            let for_group =
                data.mode() & 0o010 != 0 && (directory_has_acl(directory) || !own.groups.contains(&data.gid()));
            own.is_trusted(data.uid()) && data.mode() & 0o001 == 0 && !for_group
        })
    };
    is_same && opened.nlink() == 1 && real.ancestors().skip(1).any(is_closed)
}

/// The list of further users and groups (acl(5)).
#[cfg(target_os = "linux")]
const ACL: &str = "system.posix_acl_access";

#[cfg(target_os = "linux")]
fn file_has_acl(file: &File) -> bool {
    is_list(rustix::fs::fgetxattr(file, ACL, &mut [0_u8; 4][..]))
}

#[cfg(target_os = "linux")]
fn directory_has_acl(directory: &Path) -> bool {
    is_list(rustix::fs::getxattr(directory, ACL, &mut [0_u8; 4][..]))
}

/// A list is longer than the few bytes that are asked for. Any other error means that there is none.
#[cfg(target_os = "linux")]
fn is_list(read: rustix::io::Result<usize>) -> bool {
    matches!(read, Err(rustix::io::Errno::RANGE)) || read.is_ok_and(|length| length > 0)
}

#[cfg(target_os = "linux")]
fn mount(file: &File, data: &Metadata) -> MountFacts {
    use rustix::fs::{AtFlags, StatVfsMountFlags, StatxAttributes, StatxFlags};
    /// `TMPFS_MAGIC` and `RAMFS_MAGIC` of `linux/magic.h`.
    const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
    /// Everybody keeps files there.
    const SHARED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
    let is_shared = || SHARED.iter().any(|path| std::fs::metadata(path).is_ok_and(|shared| shared.dev() == data.dev()));
    let system = rustix::fs::fstatfs(file).map(|system| u64::try_from(system.f_type).unwrap_or_default());
    let mounted = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    MountFacts {
        is_read_only: rustix::fs::fstatvfs(file).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY)),
        is_in_memory: system.is_ok_and(|system| IN_MEMORY.contains(&system)) && !is_shared(),
        is_the_file: mounted.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
    }
}

/// Other systems have no mounts of this kind, and other lists.
#[cfg(not(target_os = "linux"))]
fn file_has_acl(_: &File) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn directory_has_acl(_: &Path) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn mount(_: &File, _: &Metadata) -> MountFacts {
    MountFacts::default()
}

#[cfg(test)]
mod tests;
