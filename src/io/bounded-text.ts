/** The text of a body; undefined, without reading the rest, when it has more than `most` bytes. */
export async function boundedText(body: AsyncIterable<Buffer>, most: number): Promise<string | undefined> {
  return (await boundedBytes(body, most))?.toString('utf8');
}

/** The same as bytes. */
export async function boundedBytes(body: AsyncIterable<Buffer>, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
