//! ImageInfo: how many images a message holds, how large they are, and how they relate to its text.

use super::perl::{argument, lossy, rule_pattern};
use super::{Accepts, Answered, Context, Row, local};
use crate::pattern::Found;
use std::collections::{BTreeSet, HashMap};

pub(super) static ROWS: &[Row] = &[
    body("image_count", image_count),
    body("pixel_coverage", pixel_coverage),
    body("image_size_exact", image_size_exact),
    body("image_size_range", image_size_range),
    body("image_named", |c, a| a.first().is_some_and(|name| images(c).names.contains(name)).into()),
    body("image_name_regex", image_name_regex),
    body("image_to_text_ratio", image_to_text_ratio),
];

const fn body(name: &'static str, run: super::Function) -> Row {
    local(name, "ImageInfo", Accepts::Body, run)
}

/// Octets of an encoded image that are read for its size before all are: enough for GIF and PNG, and for most JPEG.
const HEADS: [usize; 2] = [64, 4096];

/// Height and width of an image, by its first octets.
type Measure = fn(&[u8]) -> Option<(u32, u32)>;

/// Images of one kind, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Album {
    count: u32,
    /// Pixels of all of them.
    area: u64,
    /// Height and width of each size.
    sizes: BTreeSet<(u32, u32)>,
}

/// Images of the message by kind (`gif`, `png`, `jpeg`, `all`).
#[derive(Clone, Debug, Default)]
pub(super) struct Images {
    kinds: HashMap<&'static str, Album, foldhash::fast::RandomState>,
    names: BTreeSet<String>,
}

impl Images {
    fn kind(&self, name: &str) -> Option<&Album> {
        self.kinds.get(name)
    }
}

fn images<'c>(context: &'c Context<'_, '_>) -> &'c Images {
    context.memo.images.get_or_init(|| {
        let mut found = Images::default();
        for name in ["all", "gif", "png", "jpeg"] {
            found.kinds.insert(name, Album::default());
        }
        for part in context.reading.mail.parts().iter().filter(|part| part.is_leaf() && part.encoding == "base64") {
            let (kind, measure): (_, Measure) = match part.content_type.as_str() {
                "image/gif" => ("gif", gif),
                "image/png" => ("png", png),
                "image/jpeg" | "image/jpg" => ("jpeg", jpeg),
                _ => continue,
            };
            // Most images tell their size within the first octets; what is told there holds for the whole.
            let start = HEADS.into_iter().find_map(|octets| measure(&part.decoded_start(octets)));
            let size = start.or_else(|| measure(part.decoded())).filter(|(height, width)| *height > 0 && *width > 0);
            for name in [kind, "all"] {
                let Some(album) = found.kinds.get_mut(name) else { continue };
                album.count += 1;
                if let Some((height, width)) = size {
                    album.area = album.area.saturating_add(u64::from(height) * u64::from(width));
                    album.sizes.insert((height, width));
                }
            }
            if size.is_some() && !part.name.is_empty() {
                found.names.insert(part.name.clone());
            }
        }
        found
    })
}

fn word(data: &[u8], at: usize, little: bool) -> Option<u32> {
    let pair = [*data.get(at)?, *data.get(at + 1)?];
    Some(u32::from(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }))
}

fn long(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

/// Height and width from the logical screen descriptor.
fn gif(data: &[u8]) -> Option<(u32, u32)> {
    if !data.starts_with(b"GIF87a") && !data.starts_with(b"GIF89a") {
        return None;
    }
    Some((word(data, 8, true)?, word(data, 6, true)?))
}

/// The first IHDR chunk that stands where SpamAssassin looks: every eight octets, as it does not step over the data.
fn png(data: &[u8]) -> Option<(u32, u32)> {
    if !data.starts_with(b"\x89PNG\r\n\x1a\n") {
        return None;
    }
    let mut at = 8;
    while let Some(head) = data.get(at..at + 8) {
        at += 8;
        match &head[4..] {
            b"IEND" => return None,
            b"IHDR" if head.starts_with(&[0, 0, 0, 13]) => return Some((long(data, at + 4)?, long(data, at)?)),
            _ => {}
        }
    }
    None
}

/// The first frame header among the segments.
fn jpeg(data: &[u8]) -> Option<(u32, u32)> {
    if !data.starts_with(&[0xff, 0xd8]) {
        return None;
    }
    let mut at = 2;
    loop {
        let (mark, length) = (*data.get(at + 1)?, word(data, at + 2, false)?);
        if data.get(at) != Some(&0xff) || matches!(mark, 0xda | 0xd9) || length < 2 {
            return None;
        }
        at += 4;
        if matches!(mark, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) {
            return Some((word(data, at + 1, false)?, word(data, at + 3, false)?));
        }
        at += length as usize - 2;
    }
}

/// Within bounds; `open`: the upper one is not reached.
fn is_within(value: f64, least: f64, most: Option<f64>, open: bool) -> bool {
    value >= least && most.is_none_or(|most| if open { value < most } else { value <= most })
}

fn image_count(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let (Some(kind), Some(least)) = (arguments.first(), argument(arguments, 1)) else { return Answered::Miss };
    images(context).kind(kind).is_some_and(|album| is_within(f64::from(album.count), least, argument(arguments, 2), false)).into()
}

#[expect(clippy::cast_precision_loss, reason = "areas are compared roughly")]
fn pixel_coverage(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let (Some(kind), Some(least)) = (arguments.first(), argument(arguments, 1)) else { return Answered::Miss };
    images(context).kind(kind).is_some_and(|album| is_within(album.area as f64, least, argument(arguments, 2), false)).into()
}

#[expect(clippy::cast_precision_loss, reason = "areas are compared roughly")]
fn image_to_text_ratio(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let (Some(kind), Some(least), Some(most)) = (arguments.first(), argument(arguments, 1), argument(arguments, 2)) else {
        return Answered::Miss;
    };
    let area = images(context).kind(kind).map_or(0, |album| album.area);
    if area == 0 {
        return Answered::Miss;
    }
    let length: usize = context.text().iter().map(Vec::len).sum();
    (length > 0 && is_within(length as f64 / area as f64, least, Some(most), true)).into()
}

fn image_size_exact(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [kind, height, width, ..] = arguments else { return Answered::Miss };
    images(context)
        .kind(kind)
        .is_some_and(|album| album.sizes.iter().any(|(h, w)| h.to_string() == *height && w.to_string() == *width))
        .into()
}

fn image_size_range(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let (Some(kind), Some(low), Some(narrow)) = (arguments.first(), argument(arguments, 1), argument(arguments, 2)) else {
        return Answered::Miss;
    };
    let fits = |(height, width): &(u32, u32)| {
        is_within(f64::from(*height), low, argument(arguments, 3), false)
            && is_within(f64::from(*width), narrow, argument(arguments, 4), false)
    };
    images(context).kind(kind).is_some_and(|album| album.sizes.iter().any(fits)).into()
}

fn image_name_regex(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Some(pattern) = arguments.first().and_then(|text| rule_pattern(text)) else { return Answered::Miss };
    images(context).names.iter().any(|name| matches!(pattern.find(lossy(name.as_bytes()).as_bytes(), 0), Found::Hit(_))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_of_the_three_kinds() {
        assert_eq!(gif(b"GIF89a\x02\x01\x04\x03\0\0\0"), Some((0x304, 0x102)));
        assert_eq!(png(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x07\0\0\0\x09\x08\x02\0\0\0crc_"), Some((9, 7)));
        assert_eq!(jpeg(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x05\x00\x06\x01"), Some((5, 6)));
        assert_eq!(jpeg(b"\xff\xd8\xff\xda\x00\x04"), None);
    }
}
