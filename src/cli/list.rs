use crate::cli::session::{Failure, Session};
pub fn run<T>(_: &mut Session, _: &T) -> Result<(), Failure> {
    Ok(())
}
