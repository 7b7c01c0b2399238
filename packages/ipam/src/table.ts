/** A text table with borders, as the incumbent's command line draws it: headings centred, numbers to the right. */
export function renderTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const border = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  const centre = (text: string, width: number) => {
    const left = Math.floor((width - text.length) / 2);
    return `${" ".repeat(left)}${text}${" ".repeat(width - text.length - left)}`;
  };
  const align = (text: string, width: number) =>
    /^[\d.e+]+$/.test(text) && !text.includes("/") ? text.padStart(width) : text.padEnd(width);
  return [
    border,
    line(headings.map((heading, i) => centre(heading, widths[i]!))),
    border,
    ...rows.map((row) => line(widths.map((width, i) => align(row[i] ?? "", width)))),
    border,
  ].join("");
}
