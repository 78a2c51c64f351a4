//! A terminal's screen as an SVG picture.

use std::fmt::Write as _;

/// Draws `screen` as an SVG document: one text run per span of equal style, on a dark background.
pub fn to_svg(screen: &vt100::Screen, title: &str) -> String {
    const CELL_WIDTH: f32 = 8.4;
    const CELL_HEIGHT: f32 = 17.0;
    const MARGIN: f32 = 14.0;
    const BAR: f32 = 28.0;
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let width = f32::from(columns) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL_HEIGHT + MARGIN + BAR;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" \
         font-size=\"14\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n\
         <circle cx=\"18\" cy=\"14\" r=\"5\" fill=\"#e0655f\"/><circle cx=\"36\" cy=\"14\" r=\"5\" fill=\"#e0b04f\"/><circle cx=\"54\" cy=\"14\" r=\"5\" fill=\"#5fb87a\"/>\n",
        escape(title)
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let style = style_at(screen, row, column);
            let start = column;
            let mut text = String::new();
            while column < columns && style_at(screen, row, column) == style {
                let contents = screen.cell(row, column).map(|c| c.contents().to_owned());
                match contents {
                    Some(c) if !c.is_empty() => text.push_str(&c),
                    _ => text.push(' '),
                }
                column += 1;
            }
            let x = f32::from(start) * CELL_WIDTH + MARGIN;
            let y = f32::from(row) * CELL_HEIGHT + BAR;
            let span = f32::from(column - start) * CELL_WIDTH;
            if let Some(background) = &style.background {
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{span:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{background}\"/>"
                );
            }
            if !text.trim().is_empty() {
                let weight = if style.bold { " font-weight=\"bold\"" } else { "" };
                let opacity = if style.dim { " opacity=\"0.6\"" } else { "" };
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{}\"{weight}{opacity} xml:space=\"preserve\" textLength=\"{span:.1}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
                    y + 13.0,
                    style.foreground,
                    escape(&text)
                );
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

#[derive(PartialEq)]
struct Style {
    foreground: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
}

fn style_at(screen: &vt100::Screen, row: u16, column: u16) -> Style {
    let Some(cell) = screen.cell(row, column) else {
        return Style { foreground: "#d7dae0".into(), background: None, bold: false, dim: false };
    };
    let mut foreground = color(cell.fgcolor()).unwrap_or_else(|| "#d7dae0".to_owned());
    let mut background = color(cell.bgcolor());
    if cell.inverse() {
        let swapped = background.take().unwrap_or_else(|| "#16181d".to_owned());
        background = Some(std::mem::replace(&mut foreground, swapped));
    }
    Style { foreground, background, bold: cell.bold(), dim: cell.dim() }
}

fn color(color: vt100::Color) -> Option<String> {
    const BASE: [&str; 16] = [
        "#2b2f38", "#e0655f", "#5fb87a", "#e0b04f", "#5b9bd5", "#b57edc", "#4fb6b6", "#c8ccd4",
        "#6b7280", "#ff8079", "#7fd99a", "#ffd27a", "#82bfff", "#d3a5f5", "#79dada", "#ffffff",
    ];
    match color {
        vt100::Color::Default => None,
        vt100::Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        vt100::Color::Idx(index) => Some(match index {
            0..=15 => BASE[usize::from(index)].to_owned(),
            16..=231 => {
                let step = |v: u8| if v == 0 { 0 } else { 55 + 40 * u32::from(v) };
                let i = index - 16;
                format!("#{:02x}{:02x}{:02x}", step(i / 36), step(i / 6 % 6), step(i % 6))
            }
            232.. => {
                let v = 8 + 10 * u32::from(index - 232);
                format!("#{v:02x}{v:02x}{v:02x}")
            }
        }),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
