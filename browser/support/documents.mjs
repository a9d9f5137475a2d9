// Office documents: real ones, and ones of any size.

import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

const REAL = new URL('../../core/tests/fixtures/office/', import.meta.url);

export const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';

/** A real document, as a file chooser takes it: `writer` is a file's name among the fixtures of `core`. */
export async function real(writer, name = writer) {
  return { name, mimeType: 'application/octet-stream', buffer: await readFile(new URL(writer, REAL)) };
}

/** A Word document that says `text`, with `bytes` of a picture in it that nothing makes smaller. */
export function docx(name, { text = name, bytes = 0 } = {}) {
  const office = 'http://schemas.openxmlformats.org';
  const parts = [
    ['[Content_Types].xml', `<Types xmlns="${office}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="png" ContentType="image/png"/><Override PartName="/word/document.xml" ContentType="${DOCX}.main+xml"/></Types>`],
    ['_rels/.rels', `<Relationships xmlns="${office}/package/2006/relationships"><Relationship Id="r1" Type="${office}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`],
    ['word/document.xml', `<w:document xmlns:w="${office}/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>${text}</w:t></w:r></w:p></w:body></w:document>`],
  ];
  if (bytes) parts.push(['word/media/image1.png', randomBytes(bytes)]);
  return { name, mimeType: DOCX, buffer: zip(parts) };
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** A zip archive of parts that are stored as they are (APPNOTE 4.3). */
function zip(parts) {
  const [locals, centrals] = [[], []];
  let offset = 0;
  for (const [name, content] of parts) {
    const [path, bytes] = [Buffer.from(name), Buffer.from(content)];
    // Version 2.0, no flags, stored, at the first instant that there is.
    const common = fields([2, 20], [2, 0], [2, 0], [2, 0], [2, 0x21], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, path.length], [2, 0]);
    const local = Buffer.concat([fields([4, 0x04034b50]), common, path, bytes]);
    centrals.push(fields([4, 0x02014b50], [2, 20]), common, fields([2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), path);
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, parts.length], [2, parts.length], [4, central.length], [4, offset], [2, 0]);
  return Buffer.concat([...locals, central, end]);
}

/** Little-endian numbers of so many bytes. */
function fields(...numbers) {
  return Buffer.concat(numbers.map(([size, value]) => {
    const bytes = Buffer.alloc(size);
    bytes.writeUIntLE(value, 0, size);
    return bytes;
  }));
}
