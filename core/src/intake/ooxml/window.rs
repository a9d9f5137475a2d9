//! A staged file seen through a few large pages.

use std::io::{self, Read, Seek, SeekFrom};

use crate::intake::Content;

/// Bytes of a page: most documents fit into one, and what is larger is read in few reads.
const PAGE: u64 = 256 * 1024;

/// One page each for the directory, the local headers and the part being read, and one to spare.
const PAGES: usize = 4;

/// Reads a [`Content`] page by page and keeps the last few pages, since every seek and read of the
/// content may be costly and zip packages are read back and forth.
///
/// An error of the content itself is remembered: what reads through layers of zip and XML sees only
/// that reading failed, and asks [`failure`](Self::failure) afterwards whether the file was to blame.
pub(super) struct Window<'c> {
    content: &'c mut dyn Content,
    len: u64,
    at: u64,
    /// The most recently used first.
    pages: Vec<Page>,
    failure: Option<io::Error>,
}

struct Page {
    index: u64,
    bytes: Vec<u8>,
}

impl<'c> Window<'c> {
    pub(super) fn new(content: &'c mut dyn Content) -> io::Result<Self> {
        let len = content.seek(SeekFrom::End(0))?;
        Ok(Self {
            content,
            len,
            at: 0,
            pages: Vec::with_capacity(PAGES),
            failure: None,
        })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The error of the content that ended the reading, if one did.
    pub(super) fn failure(self) -> Option<io::Error> {
        self.failure
    }

    /// The bytes from `start` on, `len` of them; the caller has bounded `len`.
    pub(super) fn bytes_at(&mut self, start: u64, len: usize) -> io::Result<Vec<u8>> {
        let end = start.checked_add(len as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; len];
        self.seek(SeekFrom::Start(start))?;
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Brings the page into memory, at the front.
    fn load(&mut self, index: u64) -> io::Result<&[u8]> {
        let position = match self.pages.iter().position(|page| page.index == index) {
            Some(position) => position,
            None => {
                let mut page = match self.pages.len() {
                    PAGES => self.pages.pop(),
                    _ => None,
                }
                .unwrap_or(Page {
                    index,
                    bytes: Vec::new(),
                });
                let start = index * PAGE;
                page.index = index;
                page.bytes.resize((self.len - start).min(PAGE) as usize, 0);
                self.content.seek(SeekFrom::Start(start))?;
                self.content.read_exact(&mut page.bytes)?;
                self.pages.push(page);
                self.pages.len() - 1
            }
        };
        self.pages[..=position].rotate_right(1);
        Ok(&self.pages[0].bytes)
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.len || buf.is_empty() {
            return Ok(0);
        }
        let (index, within) = (self.at / PAGE, (self.at % PAGE) as usize);
        match self.load(index) {
            Ok(page) => {
                let count = buf.len().min(page.len() - within);
                buf[..count].copy_from_slice(&page[within..within + count]);
                self.at += count as u64;
                Ok(count)
            }
            Err(error) => {
                self.failure.get_or_insert(error);
                Err(io::Error::other("the staged content could not be read"))
            }
        }
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts its reads, and fails from a given one on.
    struct Costly {
        inner: io::Cursor<Vec<u8>>,
        reads: usize,
        last_good: usize,
    }

    impl Read for Costly {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.reads += 1;
            if self.reads > self.last_good {
                return Err(io::Error::other("unplugged"));
            }
            self.inner.read(buf)
        }
    }

    impl Seek for Costly {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.inner.seek(to)
        }
    }

    fn costly(len: usize, last_good: usize) -> Costly {
        let bytes = (0..len).map(|i| (i / 7) as u8).collect();
        Costly {
            inner: io::Cursor::new(bytes),
            reads: 0,
            last_good,
        }
    }

    #[test]
    fn it_reads_what_the_content_holds() {
        let mut content = costly(3 * PAGE as usize + 10, usize::MAX);
        let bytes = content.inner.get_ref().clone();
        let mut window = Window::new(&mut content).unwrap();
        let mut whole = Vec::new();
        window.read_to_end(&mut whole).unwrap();
        assert!(whole == bytes);
        for start in [0, 5, PAGE - 1, PAGE, 3 * PAGE + 9] {
            let len = (window.len() - start).min(PAGE) as usize;
            let at = start as usize;
            assert!(window.bytes_at(start, len).unwrap() == bytes[at..at + len]);
        }
        assert!(window.bytes_at(3 * PAGE, 11).is_err());
        assert!(window.bytes_at(u64::MAX, 1).is_err());
        assert!(window.failure().is_none());
    }

    #[test]
    fn small_steps_back_and_forth_cost_one_read_a_page() {
        let mut content = costly(4 * PAGE as usize, usize::MAX);
        let mut window = Window::new(&mut content).unwrap();
        for step in 0..1000 {
            window
                .bytes_at((step * 7919 * 31) % (4 * PAGE - 30), 30)
                .unwrap();
        }
        assert_eq!(content.reads, 4);
    }

    #[test]
    fn a_page_in_use_stays() {
        let mut content = costly(10 * PAGE as usize, usize::MAX);
        let mut window = Window::new(&mut content).unwrap();
        for page in 1..10 {
            window.bytes_at(page * PAGE, 1).unwrap();
            window.bytes_at(0, 1).unwrap();
        }
        assert_eq!(content.reads, 10);
    }

    #[test]
    fn an_error_of_the_content_is_remembered() {
        let mut content = costly(2 * PAGE as usize, 1);
        let mut window = Window::new(&mut content).unwrap();
        assert!(window.bytes_at(0, 1).is_ok());
        assert!(window.bytes_at(PAGE, 1).is_err());
        assert_eq!(window.failure().unwrap().to_string(), "unplugged");
    }

    #[test]
    fn reading_past_the_end_is_no_error_of_the_content() {
        let mut content = costly(10, usize::MAX);
        let mut window = Window::new(&mut content).unwrap();
        assert!(window.bytes_at(5, 6).is_err());
        window.seek(SeekFrom::Start(u64::MAX)).unwrap();
        assert_eq!(window.read(&mut [0; 4]).unwrap(), 0);
        assert!(window.failure().is_none());
    }
}
