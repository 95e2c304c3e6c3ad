//! A folder of files as values: the path below the folder, with dots, is the key, what is in the file the value.
//!
//! Owns: the walk, its limits, and comments in files. Does not own: when it is read (`loader`), what a text means
//! (`value`).
//! Follows Envoy's `RuntimeLayer.DiskLayer`. The file system is read as it is; to change several values at once, a
//! symbolic link above the folder is replaced.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::layers::Values;
use super::value::Value;

/// How many folders lie in each other, with the first.
const MAX_DEPTH: usize = 16;
/// How much a file may hold.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// How many files there may be.
const MAX_FILES: usize = 65_536;

/// Reads all files below a folder; links are followed, what is neither file nor folder is passed over.
pub(super) fn read(folder: &Path) -> Result<Values, String> {
    let mut values = Values::new();
    walk(folder, "", 1, &mut values)?;
    Ok(values)
}

fn walk(folder: &Path, prefix: &str, depth: usize, values: &mut Values) -> Result<(), String> {
    let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    if depth > MAX_DEPTH {
        return Err(format!("{}: folders lie more than {MAX_DEPTH} deep", folder.display()));
    }
    for entry in fs::read_dir(folder).map_err(|error| at(folder, error))? {
        let entry = entry.map_err(|error| at(folder, error))?;
        let path = entry.path();
        let name = entry.file_name();
        let key = format!("{prefix}{}", name.to_string_lossy());
        let kind = fs::metadata(&path).map_err(|error| at(&path, error))?;
        if kind.is_dir() {
            walk(&path, &format!("{key}."), depth + 1, values)?;
        } else if kind.is_file() {
            if values.len() >= MAX_FILES {
                return Err(format!("{}: there are more than {MAX_FILES} files", folder.display()));
            }
            let text = read_file(&path).map_err(|error| at(&path, error))?;
            let value = Value::parse(&without_comments(&text));
            values.insert(key.into(), value.map_err(|text| format!("{}: {text}", path.display()))?);
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(std::io::Error::other(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// As Envoy does it: lines that begin with `#` and empty ones go, the last line ends without blanks.
fn without_comments(text: &str) -> String {
    let mut lines: Vec<&str> = text.split('\n').filter(|line| !line.is_empty()).collect();
    let is_comment = |line: &&str| line.starts_with('#');
    let ends_with_comment = lines.last().is_some_and(is_comment);
    lines.retain(|line| !is_comment(line));
    if ends_with_comment && !lines.is_empty() {
        lines.push("");
    } else if let Some(last) = lines.last_mut() {
        *last = last.trim_end();
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judged by Envoy 1.40.
    #[test]
    fn comments_and_blank_lines_go() {
        for (text, expected) in [
            ("100\n", "100"),
            ("# c\n100", "100"),
            ("# c\n# d\n\nabc\n  \n", "abc\n"),
            ("numerator: 100\ndenominator: HUNDRED\n", "numerator: 100\ndenominator: HUNDRED"),
            ("a\r\nb\r\n", "a\r\nb"),
            ("# only", ""),
            ("  # x\n100\n", "  # x\n100"),
            ("\n\n100\n\n", "100"),
            ("1\n# mid\n2\n", "1\n2"),
            (" 100 ", " 100"),
            ("", ""),
        ] {
            assert_eq!(without_comments(text), expected, "{text:?}");
        }
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("ferryman-runtime-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn paths_are_keys() {
        let folder = folder("keys");
        fs::create_dir_all(folder.join("a.b/c")).unwrap();
        fs::write(folder.join("a.b/c/d"), "# ten\n10\n").unwrap();
        fs::write(folder.join(".hidden"), "true").unwrap();
        std::os::unix::fs::symlink("a.b", folder.join("link")).unwrap();
        let texts: Vec<_> =
            read(&folder).unwrap().into_iter().map(|(key, value)| format!("{key}={}", value.text)).collect();
        assert_eq!(texts, [".hidden=true", "a.b.c.d=10", "link.c.d=10"]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_cannot_be_read_spoils_the_folder() {
        let bad = |make: &dyn Fn(&Path)| {
            let folder = folder("bad");
            make(&folder);
            let read = read(&folder);
            fs::remove_dir_all(&folder).unwrap();
            read.unwrap_err()
        };
        assert!(
            bad(&|folder| std::os::unix::fs::symlink("nowhere", folder.join("l")).unwrap())
                .contains("No such")
        );
        assert!(bad(&|folder| std::os::unix::fs::symlink(".", folder.join("l")).unwrap()).contains("deep"));
        assert!(bad(&|folder| fs::write(folder.join("v"), "[1,2").unwrap()).contains("does not end"));
        assert!(
            bad(&|folder| fs::write(folder.join("v"), vec![b'x'; (1 << 20) + 1]).unwrap()).contains("larger")
        );
        let deep = |depth: usize| {
            let folder = folder("deep");
            fs::create_dir_all(folder.join(vec!["d"; depth].join("/"))).unwrap();
            let is_read = read(&folder).is_ok();
            fs::remove_dir_all(&folder).unwrap();
            is_read
        };
        assert!(deep(15) && !deep(16));
    }
}
