//! The file that secrets of TLS connections are written to on request, in the format of NSS
//! (draft-ietf-tls-keylogfile): one line for each secret.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Code, Error};

/// An open key log.
pub(crate) struct KeyLogFile {
    path: PathBuf,
    file: File,
}

impl KeyLogFile {
    pub(super) fn open(path: &Path) -> Result<KeyLogFile, Error> {
        let unusable = |cause| Error::from_io(Code::OptionFile, &path.display().to_string(), &cause);
        // Opening a pipe would wait for its reader, and writing to one without would raise SIGPIPE.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path);
        let is_no_file = |file: &File| file.metadata().is_ok_and(|meta| !meta.is_file());
        match opened {
            Err(cause) if cause.raw_os_error() != Some(libc::ENXIO) => Err(unusable(cause)),
            Ok(file) if !is_no_file(&file) => Ok(KeyLogFile { path: path.to_owned(), file }),
            _ => {
                let text = format!("{}: a key log is a regular file, and this is none", path.display());
                Err(Error::new(Code::OptionFile, text))
            }
        }
    }

    /// Appends a line in one piece, so that lines of several connections and processes do not mix. What cannot be
    /// written is left out: a full disk ends no connection.
    pub(crate) fn write(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = String::with_capacity(label.len() + 2 * (client_random.len() + secret.len()) + 3);
        line.push_str(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            for byte in bytes {
                let _ = write!(line, "{byte:02x}");
            }
        }
        line.push('\n');
        let _ = (&self.file).write_all(line.as_bytes());
    }
}

impl PartialEq for KeyLogFile {
    /// Two that were opened apart are two, even under one name: the file may have been moved between.
    fn eq(&self, other: &KeyLogFile) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for KeyLogFile {}

impl fmt::Debug for KeyLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}
