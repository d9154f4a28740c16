// Questions: think, unfold the answer, and say whether you knew it; the sum is kept in this browser.

const KEY = "coracle-quiz";

type Known = Record<string, boolean>;

function read(): Known {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Known;
  } catch {
    return {};
  }
}

function write(known: Known): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(known));
  } catch {
    // Then the sum lasts as long as the page.
  }
}

/** Adds to the folded answers of a quiz; without script they unfold all the same. */
export class Quiz extends HTMLElement {
  #known: Known = {};
  #sum = document.createElement("p");

  connectedCallback(): void {
    this.#known = read();
    this.#sum.setAttribute("role", "status");
    const questions = [...this.querySelectorAll("ol > li")];
    questions.forEach((question, index) => this.#ask(question, `${location.pathname}#${index}`));
    this.append(this.#sum);
    this.#count(questions.length);
  }

  #ask(question: Element, key: string): void {
    const row = document.createElement("p");
    // Whoever has not looked at an answer cannot say yet whether it was known.
    row.hidden = true;
    for (const details of question.querySelectorAll("details")) {
      details.addEventListener("toggle", () => (row.hidden = false));
    }
    for (const [word, knew] of [["I knew that", true], ["I did not", false]] as const) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = word;
      button.setAttribute("aria-pressed", String(this.#known[key] === knew));
      button.addEventListener("click", () => {
        this.#known[key] = knew;
        write({ ...read(), [key]: knew });
        for (const other of row.querySelectorAll("button")) {
          other.setAttribute("aria-pressed", String(other === button));
        }
        this.#count(this.querySelectorAll("ol > li").length);
      });
      row.append(button, " ");
    }
    question.append(row);
  }

  #count(all: number): void {
    const here = Object.entries(this.#known).filter(([key]) => key.startsWith(`${location.pathname}#`));
    const knew = here.filter(([, knew]) => knew).length;
    this.#sum.textContent = here.length === 0 ? "" : `${knew} of ${all} known.`;
  }
}

customElements.define("coracle-quiz", Quiz);
