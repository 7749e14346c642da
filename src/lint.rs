use crate::{compile::Generation, diagnostic::Diagnostics};
pub fn lint(_: &Generation, _: &mut Diagnostics) {}
