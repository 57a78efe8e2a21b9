//! Whole files or none: a reader never sees a half-written one, and a failed write leaves the old one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Distinguishes the temporary files of threads that write to one folder.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Links that are followed one after the other before a path counts as a circle.
const MOST_LINKS: usize = 40;

/// Writes `bytes` to a temporary file beside `path` and renames it; missing folders are created.
///
/// A link is followed, and stays. The permissions of a file that is replaced are kept. What is no plain file, such as a
/// pipe, is written to. Temporary files of `path` that no process writes any more, since it was killed, are removed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &without_links(path)?;
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file() && !old.is_dir()) {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|why| match folder.ancestors().find(|part| part.is_file()) {
            Some(file) => {
                let why = format!("`{}` is a file and not a folder", file.display());
                io::Error::new(io::ErrorKind::NotADirectory, why)
            }
            None => why,
        })?;
    }
    remove_abandoned(path, name);
    let (temporary, mut file) = create_beside(path, name)?;
    // Permissions first: what others may not read is never there for them.
    let permitted = match old {
        Some(old) if old.is_file() => file.set_permissions(old.permissions()),
        _ => Ok(()),
    };
    let outcome = permitted
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if outcome.is_err() {
        // The first error is the one to report; the leftover may not even exist.
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

/// The file that a path leads to, which need not exist.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            // Joining with an absolute path gives that path.
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is a link that leads to itself"))
}

/// What the names of the temporary files of a file begin with.
fn beginning(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden
}

/// A temporary file that is locked as long as it is written, so that nobody takes it for an abandoned one.
fn create_beside(path: &Path, name: &OsStr) -> io::Result<(PathBuf, File)> {
    loop {
        let mut hidden = beginning(name);
        hidden.push(format!("{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        let temporary = path.with_file_name(hidden);
        let file = match File::options().write(true).create_new(true).open(&temporary) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other?,
        };
        // Between creation and lock it may have been taken for abandoned. Some file systems have no locks, and nothing
        // is removed there.
        let _ = file.lock();
        if temporary.exists() {
            return Ok((temporary, file));
        }
    }
}

/// Removes temporary files that no process holds a lock of. Whatever goes wrong here is no reason not to save.
fn remove_abandoned(path: &Path, name: &OsStr) {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let beginning = beginning(name);
    let is_temporary = |entry: &OsStr| {
        let inner = entry.as_encoded_bytes().strip_prefix(beginning.as_encoded_bytes());
        let numbers = inner.and_then(|inner| inner.strip_suffix(b".tmp"));
        numbers.is_some_and(|numbers| {
            numbers.contains(&b'-') && numbers.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
        })
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !is_temporary(&entry.file_name()) {
            continue;
        }
        // The lock is held while it is removed, so that nobody begins to write it in between.
        if let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// An empty folder for one test, named after it.
#[cfg(test)]
pub(crate) fn test_folder(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ed-core-{}-{test}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creates_folders_replaces_and_leaves_nothing_behind() {
        let folder = test_folder("atomic_file");
        let path = folder.join("deep/er/file.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn reports_a_path_that_cannot_be_written() {
        let folder = test_folder("atomic_file_refused");
        fs::create_dir(folder.join("taken")).unwrap();
        assert!(write(&folder.join("taken"), b"x").is_err());
        assert!(write(Path::new("/"), b"x").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn removes_what_a_killed_write_left_and_nothing_else() {
        let folder = test_folder("atomic_file_abandoned");
        let path = folder.join("file.txt");
        for name in [".file.txt.4000000-0.tmp", ".file.txt.1-17.tmp"] {
            fs::write(folder.join(name), b"half").unwrap();
        }
        let others =
            [".other.txt.4000000-0.tmp", ".file.txt.tmp", ".file.txt.backup-1.tmp", "file.txt.1-1.tmp"];
        for name in others {
            fs::write(folder.join(name), b"whole").unwrap();
        }
        let (running, _locked) = create_beside(&path, path.file_name().unwrap()).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(running.exists(), "one that is still written stays");
        assert!(others.iter().all(|name| folder.join(name).exists()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), others.len() + 2);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn threads_that_write_one_file_do_not_disturb_each_other() {
        let folder = test_folder("atomic_file_threads");
        let path = folder.join("file.txt");
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let path = &path;
                scope.spawn(move || (0..30).for_each(|_| write(path, &[thread; 1_000]).unwrap()));
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 1_000 && bytes.iter().all(|byte| *byte == bytes[0]));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_and_keeps_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = test_folder("atomic_file_links");
        let (file, link, chain) = (folder.join("to/file.txt"), folder.join("link"), folder.join("chain"));
        fs::create_dir(folder.join("to")).unwrap();
        fs::write(&file, b"old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("to/file.txt", &link).unwrap();
        symlink(&link, &chain).unwrap();
        write(&chain, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::symlink_metadata(&chain).unwrap().is_symlink());

        // A link to a file that is not there makes it.
        symlink("to/come.txt", folder.join("dangling")).unwrap();
        write(&folder.join("dangling"), b"made").unwrap();
        assert_eq!(fs::read(folder.join("to/come.txt")).unwrap(), b"made");
        symlink("circle", folder.join("circle")).unwrap();
        assert!(write(&folder.join("circle"), b"x").unwrap_err().to_string().contains("itself"));
        write(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        fs::remove_dir_all(folder).unwrap();
    }
}
