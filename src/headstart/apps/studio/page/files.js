// From what is dropped or chosen to a list of `{file, name}`. A file of a folder is named `folder/file`.

const LEFT_ALONE = /^(\.|__MACOSX$|Thumbs\.db$|desktop\.ini$)/i;

const inside = (folder) =>
  new Promise((resolve, reject) => {
    const reader = folder.createReader();
    const found = [];
    const more = () =>
      reader.readEntries((entries) => {
        found.push(...entries);
        if (entries.length) more();
        else resolve(found);
      }, reject);
    more();
  });

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

async function walk(entry, folder) {
  if (LEFT_ALONE.test(entry.name)) return [];
  if (entry.isFile) return [{ file: await fileOf(entry), name: folder ? `${folder}/${entry.name}` : entry.name }];
  const lists = [];
  for (const child of await inside(entry)) lists.push(await walk(child, entry.name));
  return lists.flat();
}

/** All files of a drop, those in its folders too. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean); // before the first await
  const lists = [];
  for (const entry of entries) lists.push(await walk(entry, ""));
  return lists.flat();
}

/** All files of an `<input type="file">`, which is then ready for the same files again. */
export function chosen(input) {
  const files = [...input.files]
    .filter(({ name }) => !LEFT_ALONE.test(name))
    .map((file) => ({ file, name: (file.webkitRelativePath || file.name).split("/").slice(-2).join("/") }));
  input.value = "";
  return files;
}

export const isArchive = ({ name }) => /\.zip$/i.test(name);
export const carriesFiles = (transfer) => [...transfer.types].includes("Files");
/** The files without their folders: for a class that is known. */
export const loose = (files) => files.map(({ file, name }) => ({ file, name: name.split("/").pop() }));
