import { useMemo } from "preact/hooks";
import { sanitised } from "./sanitise.ts";
import { type Block, blocksOf, blockToHtml } from "./to-html.ts";

/** Markdown of a model. Only blocks that have changed are laid out again. */
export function Markdown({ text }: { readonly text: string }) {
  const blocks = useMemo(() => blocksOf(text), [text]);
  return (
    <div class="markdown">
      {blocks.map((block, index) => (
        <BlockView key={index} block={block} />
      ))}
    </div>
  );
}

function BlockView({ block }: { readonly block: Block }) {
  const html = useMemo(() => sanitised(blockToHtml(block)), [block.source]);
  return <div dangerouslySetInnerHTML={{ __html: html }} />;
}
