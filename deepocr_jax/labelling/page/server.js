// What the page asks of the server.

export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const GONE = "The server does not answer. Your changes stay in this browser; start deepocr label again and open the address that it prints.";

// The answer, a JSON value, or a ServerError; its status is 0 where there was no answer.
export async function request(method, path, body) {
  const options = { method, cache: "no-store" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  let answer, value;
  try {
    answer = await fetch(path, options);
    value = await answer.json();
  } catch {
    throw new ServerError(0, GONE);
  }
  // A server that was started anew has another address.
  if (answer.status === 403) throw new ServerError(0, GONE);
  if (!answer.ok) throw new ServerError(answer.status, value.error);
  return value;
}
