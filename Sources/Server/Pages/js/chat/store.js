/** Conversations and votes, kept in this browser (IndexedDB); in memory where it has none to give. */

const open = new Promise((resolve) => {
  let request;
  try { request = indexedDB.open("martlet", 1); } catch { resolve(null); return; }
  request.onupgradeneeded = () => {
    request.result.createObjectStore("conversations", { keyPath: "id" });
    request.result.createObjectStore("preferences", { keyPath: "id" });
  };
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => resolve(null);
});
const memory = { conversations: new Map(), preferences: new Map() };

async function transact(store, mode, action) {
  const database = await open;
  if (!database) return undefined;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = action(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
  });
}

export async function all(store) {
  return (await transact(store, "readonly", (table) => table.getAll())) ?? [...memory[store].values()];
}
export async function put(store, value) {
  memory[store].set(value.id, value);
  await transact(store, "readwrite", (table) => table.put(value));
}
export async function remove(store, id) {
  memory[store].delete(id);
  await transact(store, "readwrite", (table) => table.delete(id));
}
