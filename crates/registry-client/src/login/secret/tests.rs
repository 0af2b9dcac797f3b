//! Secrets of each source, and files that are refused.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn file(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(content).expect("written");
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).expect("mode");
    file
}

/// Reads a source that does not wait.
fn read(source: &SecretSource, environment: Environment<'_>) -> Result<Secret, SecretError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(source.read(environment))
}

fn from_file(content: &[u8], mode: u32) -> Result<String, SecretError> {
    let file = file(content, mode);
    read(&SecretSource::File(file.path().to_owned()), &|_| None).map(|secret| secret.expose().to_owned())
}

#[test]
fn one_trailing_newline_is_cut_and_no_more() {
    assert_eq!(from_file(b"hunter2\n", 0o600).expect("read"), "hunter2");
    assert_eq!(from_file(b"hunter2\r\n", 0o400).expect("read"), "hunter2");
    assert_eq!(from_file(b" hunter2 \n\n", 0o600).expect("read"), " hunter2 \n");
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_ways_out() {
    // The group of a new file is ours, so 0640 is none of these.
    for mode in [0o604, 0o644] {
        let error = from_file(b"hunter2", mode).expect_err("refused");
        assert!(matches!(error, SecretError::OpenToOthers(_)), "{mode:o}: {error:?}");
        let shown = format!("{error} {} {error:?}", error.remedy());
        let ways = ["`chmod 600 ", "CREDENTIALS_DIRECTORY", "ends with `_env`", "`allow_readable: true`"];
        for said in ways.into_iter().chain([format!("{mode:04o}").as_str()]) {
            assert!(shown.contains(said), "{said}: {shown}");
        }
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for mode in [0o600, 0o400, 0o700, 0o640, 0o440, 0o550] {
        assert_eq!(from_file(b"hunter2", mode).expect("read"), "hunter2", "{mode:o}");
    }
}

#[test]
fn allow_readable_accepts_what_others_can_read_and_nothing_that_they_can_write() {
    for (mode, accepted) in
        [(0o644, true), (0o604, true), (0o555, true), (0o664, false), (0o646, false), (0o777, false)]
    {
        let file = file(b"hunter2", mode);
        let secret = read(&SecretSource::ReadableFile(file.path().to_owned()), &|_| None);
        assert_eq!(secret.is_ok(), accepted, "{mode:o}: {secret:?}");
    }
}

#[test]
fn a_file_that_others_can_write_or_run_is_refused_with_the_remedy() {
    for mode in [0o620, 0o602, 0o622, 0o611, 0o601, 0o610, 0o666, 0o777] {
        let error = from_file(b"hunter2", mode).expect_err("refused");
        assert!(matches!(error, SecretError::Changeable(_)), "{mode:o}: {error:?}");
        let error = format!("{error} {}", error.remedy());
        assert!(error.contains("chmod 600") && error.contains(&format!("{mode:04o}")), "{error}");
        assert!(!error.contains("allow_readable"), "{error}");
    }
}

#[test]
fn a_file_that_others_can_exchange_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let (open, inner) = (place.path().join("open"), place.path().join("open/inner"));
    std::fs::create_dir_all(&inner).expect("made");
    let closed = place.path().join("closed");
    std::fs::create_dir(&closed).expect("made");
    let of =
        |path: &Path| read(&SecretSource::File(path.to_owned()), &|_| None).map(|secret| secret.expose().to_owned());
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
    for path in [inner.join("secret"), closed.join("secret")] {
        std::fs::write(&path, "hunter2").expect("written");
        mode(&path, 0o600);
    }
    std::os::unix::fs::symlink(closed.join("secret"), open.join("link")).expect("linked");
    std::os::unix::fs::symlink(inner.join("secret"), closed.join("link")).expect("linked");
    for (directory, refused) in [(0o755, false), (0o777, true), (0o1777, false), (0o775, false), (0o702, true)] {
        mode(&open, directory);
        for path in [inner.join("secret"), open.join("link"), closed.join("link")] {
            match of(&path) {
                Ok(_) => assert!(!refused, "{directory:o}: {}", path.display()),
                Err(error) => {
                    assert!(refused && matches!(error, SecretError::OpenDirectory { .. }), "{directory:o}: {error:?}");
                    assert!(error.remedy().contains(&format!("chmod o-w {}", open.display())), "{error}");
                }
            }
        }
        assert!(of(&closed.join("secret")).is_ok());
    }
    mode(&open, 0o755);
}

#[test]
fn empty_long_and_binary_secrets_are_refused() {
    assert!(matches!(from_file(b"\n", 0o600), Err(SecretError::Empty { .. })));
    assert!(matches!(from_file(&vec![b'a'; 70_000], 0o600), Err(SecretError::TooLong { .. })));
    assert!(matches!(from_file(b"\xff", 0o600), Err(SecretError::NotText { .. })));
    let missing = read(&SecretSource::File("/nonexistent/secret".into()), &|_| None);
    assert!(matches!(missing, Err(SecretError::File { .. })));
}

#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg("-m600").arg(&fifo).status().expect("mkfifo").success());
    for path in [fifo.as_path(), directory.path(), Path::new("/dev/null")] {
        let (sender, receiver) = std::sync::mpsc::channel();
        let source = SecretSource::File(path.to_owned());
        std::thread::spawn(move || sender.send(read(&source, &|_| None).map(|_| ())));
        let read = receiver.recv_timeout(std::time::Duration::from_secs(5)).expect("an answer");
        assert!(matches!(read, Err(SecretError::NotAFile { .. })), "{read:?}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_secret() {
    assert_eq!(from_file(b"\xef\xbb\xbfhunter2\r\n", 0o600).expect("read"), "hunter2");
    assert!(matches!(from_file(b"\xef\xbb\xbf\n", 0o600), Err(SecretError::Empty { .. })));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let env = |_: &str| Some(OsString::from_vec(b"hunter2\xff".to_vec()));
    let error = read(&SecretSource::Env("TOKEN".into()), &env).expect_err("refused");
    assert!(matches!(error, SecretError::NotText { .. }) && !format!("{error:?}").contains("hunter2"));
}

#[test]
fn credentials_come_from_systemds_directory_whatever_their_mode() {
    let file = file(b"hunter2\n", 0o444);
    let directory = file.path().parent().expect("a directory").as_os_str().to_owned();
    let name = file.path().file_name().expect("a name").to_str().expect("text").to_owned();
    let env = |variable: &str| (variable == "CREDENTIALS_DIRECTORY").then(|| directory.clone());
    let secret = read(&SecretSource::Credential(name), &env).expect("read");
    assert_eq!(secret.expose(), "hunter2");
    for name in ["../secret", "", "..", "a/b"] {
        let read = read(&SecretSource::Credential(name.into()), &env);
        assert!(matches!(read, Err(SecretError::BadCredential { .. })), "{name}");
    }
}

#[test]
fn an_environment_variable_is_a_source_too() {
    let env = |variable: &str| (variable == "TOKEN").then(|| OsString::from("hunter2"));
    assert_eq!(read(&SecretSource::Env("TOKEN".into()), &env).expect("read").expose(), "hunter2");
    let unset = read(&SecretSource::Env("OTHER".into()), &env);
    assert!(matches!(unset, Err(SecretError::Unset { .. })));
}

#[test]
fn a_secret_does_not_print() {
    assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
}
