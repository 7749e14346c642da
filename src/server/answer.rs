//! An answer, before it is HTTP: what is sent, or one plain sentence that says why nothing is.

use std::fs::File;

use bytes::Bytes;

/// What is answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code of HTTP.
    pub status: u16,
    /// The media type.
    pub kind: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Body,
    /// What went wrong with us, for the log.
    pub cause: Option<String>,
}

/// What is sent.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// A part of a file, or all of it.
    File {
        /// The file, opened.
        file: File,
        /// From which byte.
        start: u64,
        /// How many bytes.
        length: u64,
    },
}

/// Media types.
pub mod kind {
    /// Plain text.
    pub const TEXT: &str = "text/plain; charset=utf-8";
    /// Bytes.
    pub const BYTES: &str = "application/octet-stream";
    /// JSON.
    pub const JSON: &str = "application/json";
    /// A page.
    pub const HTML: &str = "text/html; charset=utf-8";
    /// A picture.
    pub const SVG: &str = "image/svg+xml";
    /// Measurements, as Prometheus reads them.
    pub const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

impl Answer {
    /// Something whole.
    pub fn whole(kind: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self { status: 200, kind, headers: Vec::new(), body: Body::Whole(bytes.into()), cause: None }
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::whole(kind::TEXT, text.into())
    }

    /// What holds secrets, or what changes with every request, is kept by nobody.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.headers.push(("cache-control", "no-store".to_owned()));
        self
    }

    /// JSON.
    pub fn json(value: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::whole(kind::JSON, bytes).private(),
            Err(error) => Self::failure(&error.to_string()),
        }
    }

    /// A sentence that says why there is nothing else.
    pub fn refusal(status: u16, sentence: &str) -> Self {
        let mut answer = Self::text(format!("{sentence}\n")).private();
        answer.status = status;
        answer
    }

    /// A failure of ours. The operator's log gets the cause, the machine does not.
    pub fn failure(cause: &str) -> Self {
        let mut answer = Self::refusal(500, "the server could not make this; its log says why");
        answer.cause = Some(cause.to_owned());
        answer
    }

    /// Not there.
    pub fn nothing() -> Self {
        Self::refusal(404, "there is nothing here")
    }

    /// With another header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
