/** 24 units wide, drawn as lines. */
const PATHS = {
  add: "M12 5v14M5 12h14",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM6 15H5V4h10v2",
  delete: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  menu: "M4 7h16M4 12h16M4 17h16",
  regenerate: "M19 12a7 7 0 1 1-2.1-5M19 4v4h-4",
  send: "M12 19V5M6 11l6-6 6 6",
  settings: "M4 8h8M18 8h2M15 5.5v5M4 16h2M12 16h8M9 13.5v5",
  stop: "M7 7h10v10H7z",
  theme: "M12 4a8 8 0 0 1 0 16z",
};

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true">
      {name === "theme" && <circle cx="12" cy="12" r="8" />}
      <path d={PATHS[name]} />
    </svg>
  );
}
