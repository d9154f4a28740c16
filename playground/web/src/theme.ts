// Light, dark, or as the system has it; kept in this browser where it keeps anything.

const KEY = "coracle-theme";

export const theme = {
  get(): string {
    return document.documentElement.dataset["theme"] ?? "system";
  },

  set(name: string): void {
    if (name === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = name;
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // Then it lasts until the page is left.
    }
  },

  /** What was chosen last time. */
  restore(): void {
    try {
      const name = localStorage.getItem(KEY);
      if (name) theme.set(name);
    } catch {
      // The system's it is.
    }
  },
};
