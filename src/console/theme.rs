//! Meanings to styles: the only place that knows colours.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Ordinary text.
    Text,
    /// Less important.
    Muted,
    /// More important.
    Strong,
    /// A frame.
    Border,
    /// The frame that has the focus.
    Focus,
    /// A panel's title.
    Title,
    /// A key to press.
    Key,
    /// The stable side of a split.
    Stable,
    /// The canary side of a split.
    Canary,
    /// Well.
    Ok,
    /// Look here.
    Warn,
    /// Wrong, or dangerous.
    Danger,
    /// The line that is selected.
    Selected,
    /// The header line.
    Header,
    /// A word that names something.
    Name,
    /// JSON: a key.
    JsonKey,
    /// JSON: a string.
    JsonText,
    /// JSON: a number or a word.
    JsonNumber,
    /// A notice of the tail itself.
    Notice,
}

/// Which theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeChoice {
    /// `NO_COLOR` and `COLORFGBG` decide; dark where they say nothing.
    #[default]
    Auto,
    /// For dark backgrounds.
    Dark,
    /// For light backgrounds.
    Light,
    /// No colour: bold, dim, underline, reverse.
    NoColor,
}

impl std::str::FromStr for ThemeChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "dark" => Ok(Self::Dark),
            "light" => Ok(Self::Light),
            "no-color" | "no-colour" | "none" => Ok(Self::NoColor),
            other => Err(format!("unknown theme {other:?}; known are auto, dark, light, no-color")),
        }
    }
}

/// A resolved theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// For dark backgrounds.
    Dark,
    /// For light backgrounds.
    Light,
    /// No colour.
    NoColor,
}

impl Theme {
    /// The theme for `choice`, asking `env` (`NO_COLOR`, `COLORFGBG`, `TERM`) where it is left open.
    pub fn resolve(choice: ThemeChoice, env: impl Fn(&str) -> Option<String>) -> Self {
        match choice {
            ThemeChoice::Dark => Self::Dark,
            ThemeChoice::Light => Self::Light,
            ThemeChoice::NoColor => Self::NoColor,
            ThemeChoice::Auto => {
                // https://no-color.org: present and not empty.
                if env("NO_COLOR").is_some_and(|value| !value.is_empty())
                    || env("TERM").as_deref() == Some("dumb")
                {
                    return Self::NoColor;
                }
                let background = env("COLORFGBG")
                    .and_then(|value| value.rsplit(';').next()?.trim().parse::<u8>().ok());
                if matches!(background, Some(7 | 9..=15)) { Self::Light } else { Self::Dark }
            }
        }
    }

    /// The style of a meaning.
    pub fn style(self, meaning: Meaning) -> Style {
        match self {
            Self::Dark => colour(meaning, false),
            Self::Light => colour(meaning, true),
            Self::NoColor => plain(meaning),
        }
    }
}

#[allow(clippy::match_same_arms, reason = "a table: meanings share colours by chance")]
fn colour(meaning: Meaning, light: bool) -> Style {
    let pick = |dark: Color, on_light: Color| if light { on_light } else { dark };
    let style = Style::new();
    match meaning {
        Meaning::Text => style,
        Meaning::Muted => style.fg(pick(Color::Indexed(245), Color::Indexed(242))),
        Meaning::Strong => style.add_modifier(Modifier::BOLD),
        Meaning::Border => style.fg(pick(Color::Indexed(238), Color::Indexed(250))),
        Meaning::Focus => style.fg(pick(Color::Indexed(74), Color::Indexed(25))),
        Meaning::Title => {
            style.fg(pick(Color::Indexed(250), Color::Indexed(236))).add_modifier(Modifier::BOLD)
        }
        Meaning::Key => {
            style.fg(pick(Color::Indexed(180), Color::Indexed(94))).add_modifier(Modifier::BOLD)
        }
        Meaning::Stable => style.fg(pick(Color::Indexed(74), Color::Indexed(25))),
        Meaning::Canary => style.fg(pick(Color::Indexed(179), Color::Indexed(130))),
        Meaning::Ok => style.fg(pick(Color::Indexed(114), Color::Indexed(28))),
        Meaning::Warn => style.fg(pick(Color::Indexed(179), Color::Indexed(130))),
        Meaning::Danger => {
            style.fg(pick(Color::Indexed(203), Color::Indexed(160))).add_modifier(Modifier::BOLD)
        }
        Meaning::Selected => style.bg(pick(Color::Indexed(237), Color::Indexed(254))),
        Meaning::Header => style
            .fg(pick(Color::Indexed(252), Color::Indexed(235)))
            .bg(pick(Color::Indexed(236), Color::Indexed(253))),
        Meaning::Name => style.fg(pick(Color::Indexed(153), Color::Indexed(24))),
        Meaning::JsonKey => style.fg(pick(Color::Indexed(110), Color::Indexed(24))),
        Meaning::JsonText => style.fg(pick(Color::Indexed(150), Color::Indexed(28))),
        Meaning::JsonNumber => style.fg(pick(Color::Indexed(180), Color::Indexed(94))),
        Meaning::Notice => {
            style.fg(pick(Color::Indexed(139), Color::Indexed(96))).add_modifier(Modifier::ITALIC)
        }
    }
}

fn plain(meaning: Meaning) -> Style {
    let style = Style::new();
    match meaning {
        Meaning::Muted | Meaning::Border | Meaning::Notice => style.add_modifier(Modifier::DIM),
        Meaning::Strong | Meaning::Title | Meaning::Key | Meaning::Focus | Meaning::Warn => {
            style.add_modifier(Modifier::BOLD)
        }
        Meaning::Danger => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        Meaning::Selected | Meaning::Header => style.add_modifier(Modifier::REVERSED),
        Meaning::Text
        | Meaning::Stable
        | Meaning::Canary
        | Meaning::Ok
        | Meaning::Name
        | Meaning::JsonKey
        | Meaning::JsonText
        | Meaning::JsonNumber => style,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_where_nobody_chose() {
        let with = |name: &'static str, value: &'static str| {
            Theme::resolve(ThemeChoice::Auto, move |asked| {
                (asked == name).then(|| value.to_owned())
            })
        };
        assert_eq!(with("NO_COLOR", "1"), Theme::NoColor);
        assert_eq!(with("NO_COLOR", ""), Theme::Dark);
        assert_eq!(with("COLORFGBG", "0;15"), Theme::Light);
        assert_eq!(with("COLORFGBG", "15;0"), Theme::Dark);
        assert_eq!(Theme::resolve(ThemeChoice::Light, |_| Some("1".into())), Theme::Light);
    }
}
