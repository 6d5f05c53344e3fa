export function table(head, rows) {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Three digits that count. */
export function figure(value) {
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

export function range({ median, min, max }) {
  return `${figure(median)} (${figure(min)} to ${figure(max)})`;
}

/** Where a part was measured. */
export function machineOf({ machine: { cpu, cores, memoryGiB }, runtime, commit, dirty }) {
  const at = `${commit?.slice(0, 9)}${dirty ? " with changes" : ""}`;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${runtime}; DeepTS at ${at}`;
}

/** The peers of a part with their versions. */
export function versionsOf({ entries }) {
  const versions = entries.flatMap(({ engine, facts }) => {
    const version = facts.commit ?? facts.release;
    return version ? [`${engine} ${version}`] : [];
  });
  return [...new Set(versions)].join(", ");
}
