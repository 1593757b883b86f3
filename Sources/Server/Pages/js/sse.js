/** Server-sent events from pieces of bytes, cut anywhere (WHATWG HTML, section 9.2.6). */
export class EventParser {
  #decoder = new TextDecoder();
  #rest = "";
  #data = [];
  #type = "";

  /** @param {Uint8Array} bytes @returns {{type: string, data: string}[]} the events that are complete now */
  push(bytes) {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const events = [];
    for (;;) {
      const cut = this.#rest.search(/[\r\n]/);
      if (cut < 0) break;
      // A carriage return at the very end may be half of a pair.
      if (this.#rest[cut] === "\r" && cut === this.#rest.length - 1) break;
      const line = this.#rest.slice(0, cut);
      const width = this.#rest[cut] === "\r" && this.#rest[cut + 1] === "\n" ? 2 : 1;
      this.#rest = this.#rest.slice(cut + width);
      this.#line(line, events);
    }
    return events;
  }

  #line(line, events) {
    if (line === "") {
      if (this.#data.length) events.push({ type: this.#type || "message", data: this.#data.join("\n") });
      this.#data = [];
      this.#type = "";
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
  }
}
