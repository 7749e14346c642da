//! The token of a build: what a machine has to show that it was given the script of its build.

use std::fmt;

/// 128 random bits that prove that a machine was given the script of its build. Does not print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token([u8; 16]);

impl Token {
    /// Of these bits.
    pub fn new(bits: [u8; 16]) -> Self {
        Self(bits)
    }

    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u128::from_str_radix(text, 16).ok().filter(|_| digits).map(|bits| Self(bits.to_be_bytes()))
    }

    /// 32 hexadecimal digits, for the script of its host and for the store.
    pub fn reveal(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// Compares in a time that does not tell how much is right.
    pub fn is(&self, other: &Token) -> bool {
        self.0.iter().zip(other.0).fold(0, |differing, (one, other)| differing | (one ^ other)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

/// Why a token is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It is no host's, or another one's.
    Wrong,
    /// It has ended.
    Expired,
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn tokens_are_read_as_they_are_written_and_do_not_print() {
        let token = Token::parse("00112233445566778899aabbccddeeff").unwrap();
        assert_eq!(token.reveal(), "00112233445566778899aabbccddeeff");
        assert_eq!(format!("{token:?}"), "Token(not shown)");
        for wrong in ["", "+0112233445566778899aabbccddeef", "00112233445566778899aabbccddeeffa"] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }
}
