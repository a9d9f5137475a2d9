//! Files, removed ones with them: they are in one table, so no two share an id or a blob.

use consign_core::{
    audience::{Audience, Principal},
    event::Author,
    file::{File, FileEdit, FileEntry, FileName, Sha256},
    id::{BlobKey, FileId, GroupId, UserId},
    link::Edit,
    quota::Quota,
    removal::{Removal, RemovedFile},
    store::Outcome,
    time::Timestamp,
};
use serde_json::{Value, json};
use sqlx::query;

use crate::{
    batch::{Batch, Made},
    column::{Columns, Id, damaged, hex, position, rows},
    fault::Fault,
};

/// A row of the table.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    There(File),
    Removed(RemovedFile),
}

impl Row {
    pub(crate) fn file(&self) -> &File {
        match self {
            Self::There(file) => file,
            Self::Removed(removed) => &removed.file,
        }
    }
}

impl Batch<'_> {
    pub(crate) async fn look_up_files(&mut self) -> Result<(), Fault> {
        if self.needs.files.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM files WHERE id = ANY($1) OR blob = ANY($2)";
        let ids: Vec<_> = self
            .needs
            .files
            .iter()
            .map(|id| Id(*id.as_bytes()))
            .collect();
        let blobs: Vec<_> = self
            .needs
            .blobs
            .iter()
            .map(|key| Id(*key.as_bytes()))
            .collect();
        let found = query(sql).bind(ids).bind(blobs);
        for found in found.fetch_all(&mut *self.connection).await? {
            let row = read(&Columns(&found))?;
            let entry = &row.file().entry;
            if self.needs.retained.contains(&entry.id) {
                self.needs.groups.extend(entry.audience.groups());
            }
            if self.needs.leaving.contains(&entry.id) {
                self.needs.uploaders.insert(entry.uploaded_by);
            }
            self.files.found(entry.id, row);
        }
        Ok(())
    }

    /// The file of this id, unless it is removed.
    pub(crate) fn file(&self, id: FileId) -> Option<&File> {
        match self.files.get(id)? {
            Row::There(file) => Some(file),
            Row::Removed(_) => None,
        }
    }

    pub(crate) fn add_file(&mut self, entry: &FileEntry, quota: &Quota) -> Made {
        let is_taken = |row: &Row| row.file().entry.blob == entry.blob;
        if self.files.has(entry.id) || self.files.all().any(is_taken) {
            return Err(Outcome::Exists);
        }
        if let Some(group) = self.missing_group(&entry.audience) {
            return Err(Outcome::NoSuchGroup(group));
        }
        let takes = self.takes(entry.uploaded_by).with(entry);
        if !quota.allows(takes.usage()) {
            return Err(Outcome::OverQuota);
        }
        self.usage.set(entry.uploaded_by, takes);
        self.last_file += 1;
        let file = File {
            seq: self.last_file,
            entry: entry.clone(),
        };
        self.put_file(file.clone());
        Ok(Outcome::Added(file))
    }

    pub(crate) fn set_crc32(&mut self, id: FileId, crc32: u32) -> Made {
        let mut file = self.file(id).ok_or(Outcome::Missing)?.clone();
        file.entry.crc32 = Some(crc32);
        self.files.set(id, Row::There(file.clone()));
        Ok(Outcome::Crc32Set(file))
    }

    pub(crate) fn edit_file(&mut self, id: FileId, edit: &FileEdit, at: Timestamp) -> Made {
        let there = self.file(id).filter(|file| file.entry.is_there(at));
        let mut file = there.ok_or(Outcome::Missing)?.clone();
        if let Edit::Set(audience) = &edit.audience
            && let Some(group) = self.missing_group(audience)
        {
            return Err(Outcome::NoSuchGroup(group));
        }
        file.entry = file.entry.edited(edit);
        self.put_file(file.clone());
        Ok(Outcome::FileSet(file))
    }

    /// Has a file be in all reads that are not of removed ones.
    pub(crate) fn put_file(&mut self, file: File) {
        self.moved.insert(file.seq);
        self.files.set(file.entry.id, Row::There(file));
    }

    /// A group of the audience that there is not.
    fn missing_group(&self, audience: &Audience) -> Option<GroupId> {
        let mut groups = audience.groups();
        groups.find(|id| !self.groups.has(*id))
    }

    pub(crate) async fn write_files(&mut self) -> Result<bool, Fault> {
        if !self.files.is_changed() {
            return Ok(false);
        }
        let gone: Vec<_> = self
            .files
            .to_take_out()
            .map(|id| Id(*id.as_bytes()))
            .collect();
        let before = self.moved.range(..=self.last_file_before);
        let moved: Vec<_> = before.copied().filter_map(position).collect();
        if !gone.is_empty() || !moved.is_empty() {
            let sql = "WITH gone AS (DELETE FROM files WHERE id = ANY($1)) \
                DELETE FROM audiences WHERE position = ANY($2)";
            let taken_out = query(sql).bind(gone).bind(moved);
            taken_out.execute(&mut *self.connection).await?;
        }
        let written: Vec<_> = self.files.to_write().map(|(_, row)| row).collect();
        let audiences = written.iter().filter_map(|row| match row {
            Row::There(file) if self.moved.contains(&file.seq) => Some(audience(file)),
            _ => None,
        });
        let audiences = audiences.flatten().collect();
        let files = written.iter().map(|row| to_row(row)).collect();
        let sql = "WITH written AS ( \
                INSERT INTO files SELECT * FROM jsonb_populate_recordset(NULL::files, $1) \
                ON CONFLICT (position) DO UPDATE SET crc32 = excluded.crc32, \
                everybody = excluded.everybody, clients = excluded.clients, groups = excluded.groups, \
                expires_at = excluded.expires_at, restored_at = excluded.restored_at, \
                why = excluded.why, removed_by = excluded.removed_by, \
                removed_at = excluded.removed_at, kept_until = excluded.kept_until) \
            INSERT INTO audiences SELECT * FROM jsonb_populate_recordset(NULL::audiences, $2)";
        let written = query(sql).bind(rows(files)).bind(rows(audiences));
        written.execute(&mut *self.connection).await?;
        Ok(true)
    }
}

/// A principal's kind and id, as the audiences have them.
pub(crate) fn principal(principal: Principal) -> (i16, [u8; 16]) {
    match principal {
        Principal::Everybody => (0, [0; 16]),
        Principal::User(id) => (1, *id.as_bytes()),
        Principal::Group(id) => (2, *id.as_bytes()),
    }
}

/// The rows of whom a file is for.
pub(crate) fn audience(file: &File) -> impl Iterator<Item = Value> {
    let entry = &file.entry;
    entry.audience.principals().iter().map(move |one| {
        let (kind, id) = principal(*one);
        json!({
            "kind": kind,
            "id": UserId::from_bytes(id),
            "position": file.seq,
            "expires_at": entry.expires_at,
            "retained_from": entry.retained_from(),
        })
    })
}

pub(crate) fn to_row(row: &Row) -> Value {
    let File { seq, entry } = row.file();
    let removed = match row {
        Row::There(_) => None,
        Row::Removed(removed) => Some(removed),
    };
    json!({
        "position": seq,
        "id": entry.id,
        "blob": entry.blob,
        "name": entry.name,
        "size": entry.size,
        "media_type": entry.media_type,
        "sha256": hex(&entry.sha256.0),
        "crc32": entry.crc32,
        "uploaded_at": entry.uploaded_at,
        "uploaded_by": entry.uploaded_by,
        "uploader": &*entry.uploader,
        "everybody": entry.audience == Audience::everybody(),
        "clients": entry.audience.users().collect::<Vec<_>>(),
        "groups": entry.audience.groups().collect::<Vec<_>>(),
        "expires_at": entry.expires_at,
        "restored_at": entry.restored_at,
        "why": removed.map(|removed| removed.why.to_string()),
        "removed_by": removed.map(|removed| removed.removed_by.to_string()),
        "removed_at": removed.map(|removed| removed.removed_at),
        "kept_until": removed.map(|removed| removed.kept_until),
    })
}

/// A file that is there.
pub(crate) fn file(row: &Columns<'_>) -> Result<File, Fault> {
    let name: String = row.get("name")?;
    let uploader: String = row.get("uploader")?;
    Ok(File {
        seq: row.small("position")?,
        entry: FileEntry {
            id: FileId::from_bytes(row.id("id")?),
            blob: BlobKey::from_bytes(row.id("blob")?),
            name: FileName::try_from(name).map_err(|_| damaged("name"))?,
            size: row.number("size")?,
            media_type: row.parsed("media_type")?,
            sha256: Sha256(row.bytes("sha256")?),
            crc32: row.small_or_null("crc32")?,
            uploaded_at: row.time("uploaded_at")?,
            uploaded_by: UserId::from_bytes(row.id("uploaded_by")?),
            uploader: uploader.into(),
            audience: to_audience(row)?,
            expires_at: row.time_or_null("expires_at")?,
            restored_at: row.time_or_null("restored_at")?,
        },
    })
}

fn to_audience(row: &Columns<'_>) -> Result<Audience, Fault> {
    if row.get("everybody")? {
        return Ok(Audience::everybody());
    }
    let users = row.ids("clients")?.into_iter();
    let users = users.map(|id| Principal::User(UserId::from_bytes(id)));
    let groups = row.ids("groups")?.into_iter();
    let groups = groups.map(|id| Principal::Group(GroupId::from_bytes(id)));
    Audience::of(users.chain(groups)).map_err(|_| damaged("clients"))
}

pub(crate) fn removed(row: &Columns<'_>) -> Result<RemovedFile, Fault> {
    Ok(RemovedFile {
        file: file(row)?,
        why: why(row.get("why")?).ok_or_else(|| damaged("why"))?,
        removed_by: author(row.get("removed_by")?).ok_or_else(|| damaged("removed_by"))?,
        removed_at: row.time("removed_at")?,
        kept_until: row.time("kept_until")?,
    })
}

pub(crate) fn read(row: &Columns<'_>) -> Result<Row, Fault> {
    match row.get::<Option<&str>>("why")? {
        None => file(row).map(Row::There),
        Some(_) => removed(row).map(Row::Removed),
    }
}

/// As its text says.
pub(crate) fn why(text: &str) -> Option<Removal> {
    let all = [Removal::Asked, Removal::Expired, Removal::Retention];
    all.into_iter().find(|why| why.to_string() == text)
}

/// As its text says.
fn author(text: &str) -> Option<Author> {
    match text {
        "anonymous" => Some(Author::Anonymous),
        "administrator" => Some(Author::Administrator),
        "sweeper" => Some(Author::Sweeper),
        id => id.parse().ok().map(Author::User),
    }
}
