//! Metadata from anybody, unpacked with bounds: of the whole, and of what a parser has to hold at once.

use std::io::{self, BufRead, BufReader, Read};

use niffler::send::get_reader;

/// The most that one file of metadata may unpack to. The lists of files of a whole Fedora have 1.3 GB.
pub const MAX_OPEN_BYTES: u64 = 4 << 30;
/// The longest text or element: a changelog has some hundred kilobytes.
const MAX_ELEMENT_BYTES: u64 = 16 << 20;

/// XML that ends with an error where it is longer, or one element of it is larger, than anybody means.
pub struct Bounded<R> {
    inner: R,
    left: u64,
    since_element: u64,
}

/// Unpacks what is compressed in any usual way, and bounds it.
///
/// # Errors
/// It is not compressed as its first bytes say.
pub fn unpacked<'r>(
    packed: impl Read + Send + 'r,
    limit: u64,
) -> io::Result<Bounded<BufReader<Box<dyn Read + Send + 'r>>>> {
    let reader: Box<dyn Read + Send + 'r> = match get_reader(Box::new(packed)) {
        Ok((reader, _)) => reader,
        // A file of fewer bytes than any mark has.
        Err(niffler::Error::FileTooShort) => Box::new(io::empty()),
        Err(error) => return Err(io::Error::other(error.to_string())),
    };
    Ok(Bounded { inner: BufReader::with_capacity(1 << 16, reader), left: limit, since_element: 0 })
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since_element > MAX_ELEMENT_BYTES {
            return Err(io::Error::other(format!("one element has more than {MAX_ELEMENT_BYTES} bytes")));
        }
        let available = self.inner.fill_buf()?;
        if self.left == 0 && !available.is_empty() {
            return Err(io::Error::other("it unpacks to more bytes than it should"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        Ok(&available[..available.len().min(most)])
    }

    fn consume(&mut self, count: usize) {
        // What was read is still in the buffer of the reader below.
        let last = self
            .inner
            .fill_buf()
            .ok()
            .and_then(|read| read[..count.min(read.len())].iter().rposition(|byte| *byte == b'>'));
        self.since_element = last.map_or(self.since_element + count as u64, |at| (count - at) as u64);
        self.left -= (count as u64).min(self.left);
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_to_more_than_it_should_is_an_error() {
        let mut text = String::new();
        let read = unpacked(&b"<a>0123456789</a>"[..], 10).unwrap().read_to_string(&mut text);
        assert!(read.unwrap_err().to_string().contains("more bytes"));
        assert!(unpacked(&b"<a>0123456789</a>"[..], 17).unwrap().read_to_string(&mut text).is_ok());
    }

    #[test]
    fn one_endless_text_is_an_error_and_many_short_ones_are_not() {
        let long = io::repeat(b'x').take(MAX_ELEMENT_BYTES * 2);
        assert!(io::copy(&mut unpacked(long, u64::MAX).unwrap(), &mut io::sink()).is_err());
        let short = "<x>y</x>".repeat(4_000_000);
        assert!(io::copy(&mut unpacked(short.as_bytes(), u64::MAX).unwrap(), &mut io::sink()).is_ok());
    }
}
