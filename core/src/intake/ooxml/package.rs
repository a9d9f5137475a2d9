//! A zip package read with suspicion: every way to read it must give the same parts.
//!
//! Readers of zip archives disagree: some go by the directory at the end, some by the headers in
//! front of the data, some repair what is broken. What they could disagree about is refused, so
//! that what was inspected is what every reader of the file will see.

use std::{
    collections::HashMap,
    io::{self, Read, Seek, SeekFrom},
};

use zip::{
    read::{ArchiveOffset, Config, OwnedZipFileEntry, ZipReadOptions},
    unstable::{
        format::{
            blocks::{ZipCentralEntryBlock, ZipLocalEntryBlock},
            ffi::{S_IFDIR, S_IFREG},
        },
        read::ZipIterable,
    },
};

use super::{Limits, end::End, name::PartName, window::Window};
use crate::intake::Refusal;

/// The directory's bytes at most: 10,000 entries with long names take a third of it.
const MAX_DIRECTORY: u64 = 4 * 1024 * 1024;

/// Bytes that no entry owns, between two entries, at most.
const MAX_GAP: u64 = 64 * 1024;

/// A ZIP64 data descriptor with its signature; it follows an entry's data and no header lists it.
const DESCRIPTOR: u64 = 24;

/// Deflate cannot expand more: 258 bytes from two bits.
const MAX_EXPANSION: u64 = 1032;

/// General purpose bits of encryption: plain, strong, and of the directory.
const ENCRYPTED: u16 = 1 << 0 | 1 << 6 | 1 << 13;

/// The general purpose bit of a data descriptor: the local header may leave the sizes out.
const DESCRIBED: u16 = 1 << 3;

/// The ids of extra fields: wide sizes, and a name in UTF-8.
const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Stands for a size that a ZIP64 field gives.
const IN_ZIP64: u64 = u32::MAX as u64;

const LOCAL_HEADER_LEN: u64 = 30;
const CENTRAL_HEADER_LEN: usize = 46;

/// An opened package: its entries are consistent, plain and apart from each other.
///
/// Errors are refusals throughout; whether the content itself failed, the [`Window`] knows.
pub(super) struct Package<'w, 'c> {
    window: &'w mut Window<'c>,
    entries: Vec<Entry>,
    parts: HashMap<PartName, usize>,
}

struct Entry {
    zip: OwnedZipFileEntry,
    /// As the directory spells it.
    name: Vec<u8>,
    method: u16,
}

impl<'w, 'c> Package<'w, 'c> {
    pub(super) fn open(window: &'w mut Window<'c>, limits: &Limits) -> Result<Self, Refusal> {
        let end = End::find(window)?;
        if end.entries > limits.max_entries {
            return Err(Refusal::new("the file has too many parts"));
        }
        if end.directory_len > MAX_DIRECTORY {
            return Err(Refusal::new("the file's table of contents is too large"));
        }
        let entries = entries(window, &end)?;
        let mut parts = HashMap::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            if parts.insert(entry.check()?, index).is_some() {
                return Err(Refusal::new("two parts of the file have the same name"));
            }
        }
        check_layout(window, &entries, end.directory_start)?;
        Ok(Self {
            window,
            entries,
            parts,
        })
    }

    pub(super) fn contains(&self, name: &PartName) -> bool {
        self.part(name).is_some()
    }

    /// A part's content; `None` where there is no such part.
    pub(super) fn read(&mut self, name: &PartName, max: u64) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(entry) = self.part(name).map(|index| &self.entries[index]) else {
            return Ok(None);
        };
        if entry.zip.size() > max {
            return Err(Refusal::new(
                "the file's list of parts or of relationships is too large",
            ));
        }
        let options = ZipReadOptions::new();
        let part = entry
            .zip
            .as_ref()
            .with_reader(self.window, options)
            .map_err(damaged)?;
        let mut content = Vec::new();
        match part.take(max + 1).read_to_end(&mut content) {
            Ok(read) if read as u64 == entry.zip.size() => {}
            _ => return Err(mismatch()),
        }
        Ok(Some(content))
    }

    /// Folders have names too, but are no parts.
    fn part(&self, name: &PartName) -> Option<usize> {
        let index = self.parts.get(name).copied()?;
        let folder =
            self.entries[index].name.ends_with(b"/") || self.entries[index].name.ends_with(b"\\");
        (!folder).then_some(index)
    }

    /// Refuses what unpacks to more than the limits allow, by counting where headers might lie.
    pub(super) fn check_unpacked(&mut self, limits: &Limits) -> Result<(), Refusal> {
        let sum =
            |size: fn(&Entry) -> u64| self.entries.iter().map(size).fold(0, u64::saturating_add);
        let packed = sum(|entry| entry.zip.compressed_size());
        if limits.allow(packed, sum(Entry::unpacked_at_most)) {
            return Ok(());
        }
        if !limits.allow(packed, sum(|entry| entry.zip.size())) {
            return Err(Refusal::new("the file unpacks to far more than its size"));
        }
        // From here on the declared sizes are within the limits, so it is enough that none lies.
        for entry in self.entries.iter().filter(|entry| entry.method == DEFLATED) {
            let mut part = entry
                .zip
                .as_ref()
                .with_reader(&mut *self.window, ZipReadOptions::new())
                .map_err(damaged)?;
            if !count(&mut part, entry.zip.size()).is_ok_and(|read| read == entry.zip.size()) {
                return Err(mismatch());
            }
        }
        Ok(())
    }
}

impl Entry {
    /// Checks what the directory says of the entry alone, and gives the name parts go by.
    fn check(&self) -> Result<PartName, Refusal> {
        if self.zip.flags().as_u16() & ENCRYPTED != 0 {
            return Err(Refusal::new("a part of the file is encrypted"));
        }
        if ![STORED, DEFLATED].contains(&self.method) {
            return Err(Refusal::new(
                "a part of the file is packed in a way Office does not use",
            ));
        }
        if self.method == STORED && self.zip.size() != self.zip.compressed_size() {
            return Err(mismatch());
        }
        // Whatever system the header names: some readers look at the mode alone.
        let kind = (self.zip.external_attributes() >> 16) & 0o170_000;
        if ![0, S_IFREG, S_IFDIR].contains(&kind) {
            return Err(Refusal::new(
                "a part of the file is a link or a special file",
            ));
        }
        PartName::of_entry(&self.name).ok_or_else(|| {
            Refusal::new("a part of the file has a name that leads outside of it or is malformed")
        })
    }

    fn unpacked_at_most(&self) -> u64 {
        match self.method {
            STORED => self.zip.compressed_size(),
            _ => self.zip.compressed_size().saturating_mul(MAX_EXPANSION),
        }
    }
}

/// The directory's entries, which fill it from end to end.
fn entries(window: &mut Window<'_>, end: &End) -> Result<Vec<Entry>, Refusal> {
    let directory = window
        .bytes_at(end.directory_start, end.directory_len as usize)
        .map_err(damaged)?;
    // Lists one entry at a time, so that memory follows what is there and not what a count claims.
    let config = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let mut zip = ZipIterable::try_new(window, config).map_err(damaged)?;
    if zip.len() as u64 != end.entries {
        return Err(ambiguous());
    }
    let mut entries = Vec::with_capacity(zip.len());
    let mut at = 0;
    for entry in zip.files().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let mut header = directory.get(at..).ok_or_else(ambiguous)?;
        let block = ZipCentralEntryBlock::parse(&mut header).map_err(damaged)?;
        let name = header
            .get(..block.file_name_length as usize)
            .ok_or_else(ambiguous)?;
        let extra = header
            .get(name.len()..)
            .and_then(|rest| rest.get(..block.extra_field_length as usize))
            .ok_or_else(ambiguous)?;
        if is_renamed(name, extra) {
            return Err(ambiguous());
        }
        if entry.central_header_start() != end.directory_start + at as u64
            || entry.name_raw() != name
        {
            return Err(ambiguous());
        }
        at += CENTRAL_HEADER_LEN
            + usize::from(block.file_name_length)
            + usize::from(block.extra_field_length)
            + usize::from(block.file_comment_length);
        entries.push(Entry {
            name: name.to_vec(),
            method: block.compression_method,
            zip: entry.into(),
        });
    }
    if at != directory.len() {
        return Err(ambiguous());
    }
    Ok(entries)
}

/// Checks that the entries, as their local headers place them, fill the file from its first byte to
/// the directory.
fn check_layout(
    window: &mut Window<'_>,
    entries: &[Entry],
    directory_start: u64,
) -> Result<(), Refusal> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_unstable_by_key(|entry| entry.zip.header_start());
    let mut at = 0;
    for entry in entries {
        check_gap(window, at, entry.zip.header_start())?;
        at = local_end(window, entry)?;
    }
    check_gap(window, at, directory_start)
}

/// Nothing but padding may lie between two entries, and none may begin inside another.
fn check_gap(window: &mut Window<'_>, start: u64, end: u64) -> Result<(), Refusal> {
    let Some(len) = end.checked_sub(start) else {
        return Err(Refusal::new("two parts of the file share the same bytes"));
    };
    if len == 0 || (start > 0 && len <= DESCRIPTOR) {
        return Ok(());
    }
    if start == 0 || len > MAX_GAP {
        return Err(Refusal::new(
            "the file holds bytes that belong to none of its parts",
        ));
    }
    let gap = window.bytes_at(start, len as usize).map_err(damaged)?;
    if memchr::memmem::find(&gap, b"PK\x03\x04").is_some() {
        return Err(Refusal::new(
            "the file holds a part that its table of contents does not list",
        ));
    }
    Ok(())
}

/// Checks an entry's local header against the directory and gives where its data ends.
fn local_end(window: &mut Window<'_>, entry: &Entry) -> Result<u64, Refusal> {
    let start = entry.zip.header_start();
    window.seek(SeekFrom::Start(start)).map_err(damaged)?;
    let block = ZipLocalEntryBlock::parse(window).map_err(damaged)?;
    let (name_len, extra_len) = (
        u64::from(block.file_name_length),
        u64::from(block.extra_field_length),
    );
    let name = window
        .bytes_at(start + LOCAL_HEADER_LEN, name_len as usize)
        .map_err(damaged)?;
    let extra = window
        .bytes_at(start + LOCAL_HEADER_LEN + name_len, extra_len as usize)
        .map_err(damaged)?;

    if is_renamed(&name, &extra) {
        return Err(ambiguous());
    }
    let (mut unpacked, mut packed) = (
        u64::from(block.uncompressed_size),
        u64::from(block.compressed_size),
    );
    if unpacked == IN_ZIP64 || packed == IN_ZIP64 {
        (unpacked, packed) = zip64_sizes(&extra).unwrap_or((unpacked, packed));
    }
    let described = block.flags & DESCRIBED != 0;
    let agrees = |local: u64, listed: u64| local == listed || (described && local == 0);
    if name != entry.name
        || { block.compression_method } != entry.method
        || block.flags & ENCRYPTED != 0
        || !agrees(unpacked, entry.zip.size())
        || !agrees(packed, entry.zip.compressed_size())
    {
        return Err(Refusal::new(
            "a part of the file and the file's table of contents contradict each other",
        ));
    }
    (start + LOCAL_HEADER_LEN + name_len + extra_len)
        .checked_add(entry.zip.compressed_size())
        .ok_or_else(ambiguous)
}

/// The unpacked and the packed size from a local header's ZIP64 field (APPNOTE 4.5.3).
fn zip64_sizes(extra: &[u8]) -> Option<(u64, u64)> {
    let (_, field) = fields(extra).find(|(id, _)| *id == ZIP64)?;
    let (unpacked, field) = field.split_first_chunk()?;
    let (packed, _) = field.split_first_chunk()?;
    Some((u64::from_le_bytes(*unpacked), u64::from_le_bytes(*packed)))
}

/// Whether a "Unicode path" field gives an entry another name than its header (APPNOTE 4.6.9), or may
/// seem to: some readers go by it only where its checksum is that of the header's name, others always,
/// and others again fail where it is not.
fn is_renamed(name: &[u8], extra: &[u8]) -> bool {
    let repeats = || [&[1], &crc32fast::hash(name).to_le_bytes()[..], name].concat();
    fields(extra).any(|(id, field)| id == UNICODE_PATH && field != repeats())
}

/// The fields of a header's extra data up to one that is cut short, each with its id (APPNOTE 4.5.1).
fn fields(mut extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[id, more, len, longer], rest) = extra.split_first_chunk()?;
        let (field, rest) = rest.split_at_checked(u16::from_le_bytes([len, longer]).into())?;
        extra = rest;
        Some((u16::from_le_bytes([id, more]), field))
    })
}

/// Reads to the end, or to the first byte past `max`.
fn count(part: &mut impl Read, max: u64) -> io::Result<u64> {
    io::copy(&mut part.take(max.saturating_add(1)), &mut io::sink())
}

fn ambiguous() -> Refusal {
    Refusal::new("the file can be read in more than one way")
}

fn mismatch() -> Refusal {
    Refusal::new("a part of the file is damaged, or not as large as the file says")
}

/// What exactly is damaged helps nobody; most often the file was cut short.
fn damaged<E>(_: E) -> Refusal {
    Refusal::new("the file is damaged or incomplete")
}
