//! Text for the screen: made harmless, cut to a width, numbers and times as people read them.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` without anything a terminal or a reader could be fooled by; newlines and tabs stay.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let bad = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{061c}')
    };
    if text.chars().any(bad) {
        Cow::Owned(text.chars().map(|c| if bad(c) { '\u{fffd}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Columns that `text` takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` in at most `columns`, with `…` where it was cut.
pub fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if text.len() <= columns && text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut used = 0;
    let mut cut = 0;
    for (index, c) in text.char_indices() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns {
            let mut kept = text[..cut].to_owned();
            if columns > 0 {
                kept.push('…');
            }
            return Cow::Owned(kept);
        }
        used += wide;
        if used < columns {
            cut = index + c.len_utf8();
        }
    }
    Cow::Borrowed(text)
}

/// `text` cut or filled up with spaces to exactly `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    let mut text = fit(text, columns).into_owned();
    let missing = columns.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

/// `text` filled up with spaces on the left to `columns`.
pub fn right(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let missing = columns.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(missing))
}

/// `text` in pieces of at most `columns`.
pub fn wrap(text: &str, columns: usize) -> Vec<&str> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let mut start = 0;
        let mut used = 0;
        for (index, c) in line.char_indices() {
            let wide = c.width().unwrap_or(0);
            if used + wide > columns && index > start {
                lines.push(&line[start..index]);
                start = index;
                used = 0;
            }
            used += wide;
        }
        lines.push(&line[start..]);
    }
    lines
}

/// `text` in lines of at most `columns`, broken between words where that is possible.
pub fn wrap_words(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            if width(word) > columns {
                let mut pieces = wrap(word, columns);
                let last = pieces.pop().unwrap_or_default();
                lines.extend(pieces.into_iter().map(str::to_owned));
                line.push_str(last);
            } else {
                line.push_str(word);
            }
        }
        lines.push(line);
    }
    lines
}

/// UTC time of day with milliseconds: `12:03:43.120`.
pub fn clock(ms: i64) -> String {
    let day = ms.rem_euclid(86_400_000);
    let (seconds, millis) = (day / 1000, day % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// UTC date and time: `2026-11-20 12:03:43`.
pub fn date(ms: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)) {
        Ok(at) => format!("{} {}", at.date(), clock(ms).get(..8).unwrap_or_default()),
        Err(_) => "—".to_owned(),
    }
}

/// A span of time in words: `4 s`, `3 min`, `2 h`.
pub fn span(ms: i64) -> String {
    match ms.max(0) / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Milliseconds with the digits that matter: `0.42`, `9.2`, `153`.
pub fn millis(ms: f64) -> String {
    if !ms.is_finite() {
        "—".to_owned()
    } else if ms < 1.0 {
        format!("{ms:.2}")
    } else if ms < 100.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

/// A rate: `0.2`, `41`.
pub fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

/// A share as per cent: `20%`, `12.5%`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if (percent - percent.round()).abs() < 0.05 {
        format!("{percent:.0}%")
    } else {
        format!("{percent:.1}%")
    }
}

/// Bytes with a unit: `812 B`, `2.8 MB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1000 => format!("{count} B"),
        1000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_by_columns_not_by_bytes() {
        assert_eq!(fit("hello", 5), "hello");
        assert_eq!(fit("hello!", 5), "hell…");
        assert_eq!(fit("日本語です", 5), "日本…");
        assert_eq!(fit("日本", 4), "日本");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(pad("é", 3), "é  ");
        assert_eq!(right("9.2", 5), "  9.2");
        assert_eq!(wrap("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(wrap_words("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap_words("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
    }

    #[test]
    fn hostile_text_is_harmless() {
        assert_eq!(harmless("a\u{1b}[31mb\u{202e}c"), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(harmless("plain\n"), "plain\n");
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!(clock(43_423_120), "12:03:43.120");
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(span(61_000), "61 s");
        assert_eq!(span(600_000), "10 min");
        assert_eq!(percent(0.2), "20%");
        assert_eq!(percent(0.125), "12.5%");
        assert_eq!(millis(0.4249), "0.42");
    }
}
