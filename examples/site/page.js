// Sends the request that the visitor typed and shows the answer with its status and time.

const form = document.querySelector("#form");
const path = document.querySelector("#path");
const status = document.querySelector("#status");
const answer = document.querySelector("#answer");

async function ask() {
  status.className = "";
  status.textContent = "Waiting …";
  const start = performance.now();
  try {
    const response = await fetch(`/api/${path.value.replace(/^\/+/, "")}`);
    const text = await response.text();
    const ms = (performance.now() - start).toFixed(1);
    status.textContent = `${response.status} ${response.statusText}, ${ms} ms`;
    status.className = response.ok ? "good" : "bad";
    answer.textContent = text;
  } catch (error) {
    status.textContent = `No answer: ${error.message}`;
    status.className = "bad";
    answer.textContent = "";
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
ask();
