//! Makes text from outside harmless for a terminal. The only entrance for it.
//!
//! Taken out: control characters (C0 and C1), ANSI sequences (CSI, OSC, DCS, APC, PM, SOS and the
//! short ones, also unterminated), characters that change the direction of text, and characters
//! without a width of their own that hide in a line. A tab becomes spaces up to the next multiple
//! of [`TAB`] columns; a line break becomes one space.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// Columns between two tab stops.
pub const TAB: usize = 4;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
const CANCEL: [char; 2] = ['\u{18}', '\u{1a}'];

/// The text without anything that a terminal would obey or that would hide in it.
///
/// Clean text comes back as it is, without a copy; cleaning twice changes nothing.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) || text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\t' => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\n' | '\u{2028}' | '\u{2029}' => {
                out.push(' ');
                column += 1;
            }
            ESCAPE => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut chars),
            c if harmless(c) => {
                out.push(c);
                column += 1;
            }
            _ => {}
        }
    }
    Cow::Owned(out)
}

/// Whether a character may be printed as it is.
fn harmless(c: char) -> bool {
    !c.is_control() && !is_hidden(c)
}

/// Characters that turn the direction of text or take no room of their own.
///
/// Combining marks stay: they belong to the letter before them.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Skips what follows an escape character.
fn skip_escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek().copied() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        _ => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

/// Skips parameters, intermediates and the final character of a control sequence; a character
/// that can't be in one ends it and is looked at on its own.
fn skip_csi(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

/// Skips a control string up to its terminator, or to the end of the line where it has none.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(c) = chars.peek().copied() {
        match c {
            '\n' => return,
            BELL | '\u{9c}' => {
                chars.next();
                return;
            }
            c if CANCEL.contains(&c) => {
                chars.next();
                return;
            }
            ESCAPE => {
                // Either the terminator, or the beginning of something new, which ends it too.
                let mut ahead = chars.clone();
                ahead.next();
                if ahead.peek() == Some(&'\\') {
                    chars.next();
                    chars.next();
                }
                return;
            }
            _ => {
                chars.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clean_text_is_not_copied() {
        assert!(matches!(clean("plain ~ text"), Cow::Borrowed(_)));
        assert!(matches!(clean("größer 漢字 e\u{301}"), Cow::Borrowed(_)));
    }

    #[test]
    fn sequences_go_with_what_they_carry() {
        for (dirty, expected) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\u{1b}[2J\u{1b}[Hb", "ab"),
            ("\u{1b}]0;title\u{7}shown", "shown"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}P+q544e\u{1b}\\x", "x"),
            ("\u{1b}_Gf=100;AAAA\u{1b}\\x", "x"),
            ("\u{9b}31mred", "red"),
            ("\u{9d}52;c;AAAA\u{9c}x", "x"),
            ("\u{1b}(0lqqk\u{1b}(B", "lqqk"),
            ("\u{1b}7x\u{1b}8", "x"),
            ("end\u{1b}", "end"),
            ("end\u{1b}[12;", "end"),
            ("end\u{1b}]0;never closed", "end"),
            ("a\u{1b}]0;never closed\nnext line", "a next line"),
            ("a\u{1b}[12\u{e9}b", "a\u{e9}b"),
        ] {
            assert_eq!(clean(dirty), expected, "{dirty:?}");
        }
    }

    #[test]
    fn controls_and_hidden_characters_go() {
        assert_eq!(clean("a\r\nb\0\u{8}c\u{7f}\u{85}"), "a bc");
        assert_eq!(clean("\u{202e}abc\u{2066}\u{200b}\u{feff}d"), "abcd");
        assert_eq!(clean("a\tb\tcdef\tg"), "a   b   cdef    g");
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[ -~]{0,6}",
            any::<char>().prop_map(String::from),
            prop::sample::select(vec![
                "\u{1b}", "\u{1b}[", "\u{1b}]", "\u{1b}P", "\u{1b}_", "\u{1b}\\", "\u{9b}",
                "\u{9d}", "\u{9c}", "\u{7}", "\t", "\n", "\r", "\u{202e}", "\u{200b}", "\u{18}",
                "m", "[", ";",
            ])
            .prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_harmful_comes_out(text in hostile()) {
            let cleaned = clean(&text).into_owned();
            prop_assert!(cleaned.chars().all(harmless), "{cleaned:?}");
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in hostile()) {
            let once = clean(&text).into_owned();
            prop_assert_eq!(clean(&once), once.as_str());
        }

        #[test]
        fn only_tabs_make_it_longer(text in hostile()) {
            let tabs = text.chars().filter(|c| *c == '\t').count();
            let length = text.chars().count() + tabs * (TAB - 1);
            prop_assert!(clean(&text).chars().count() <= length);
        }
    }
}
