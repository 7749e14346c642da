//! The site's keys, and whether they signed a package. The keys are certificates of `OpenPGP` in ASCII.

use std::path::{Path, PathBuf};

use rpm::PackageMetadata;
use rpm::signature::pgp::Verifier;
use sha2::{Digest, Sha256};

use crate::dist::error::{DistError, PackageFault, check_plain};
use crate::source::read_file;

/// The keys of a site; none says that signatures are not looked at.
#[derive(Debug, Default)]
pub struct Keys {
    verifier: Option<Verifier>,
    /// SHA-256 over the files of the keys: what was found with other keys says nothing.
    pub digest: String,
}

impl Keys {
    /// Reads keys from their files.
    ///
    /// # Errors
    /// One cannot be read, or is no key.
    pub fn read(paths: &[PathBuf]) -> Result<Self, DistError> {
        if paths.is_empty() {
            return Ok(Self::default());
        }
        let (mut verifier, mut hasher) = (Verifier::new(), Sha256::new());
        for path in paths {
            check_plain(path)?;
            let text = read_file(path)?;
            hasher.update(&text);
            verifier.load_from_asc_bytes(&text).map_err(|error| not_a_key(path, &error))?;
        }
        Ok(Self { verifier: Some(verifier), digest: format!("{:x}", hasher.finalize()) })
    }

    /// Whether the site has keys.
    pub fn are_asked(&self) -> bool {
        self.verifier.is_some()
    }

    /// Looks at the signature of a package, where the site has keys. It is that of the header, and the header holds the
    /// checksum of all else.
    ///
    /// # Errors
    /// There is none, or it is not that of one of the keys.
    pub fn check(&self, metadata: &PackageMetadata) -> Result<(), PackageFault> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        match metadata.raw_signatures() {
            Ok(signatures) if signatures.is_empty() => return Err(PackageFault::Unsigned),
            Ok(_) => {}
            Err(error) => return Err(PackageFault::Signature(error.to_string())),
        }
        metadata.verify_signature(verifier).map_err(|error| PackageFault::Signature(error.to_string()))
    }
}

fn not_a_key(path: &Path, error: &rpm::Error) -> DistError {
    let message = match error {
        rpm::Error::KeyLoadUtf8Error(_) => "it is not in ASCII; `gpg --armor --export` writes it so".to_owned(),
        other => other.to_string(),
    };
    DistError::Key { path: path.to_path_buf(), message }
}
