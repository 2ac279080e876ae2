/** True for a template of links to traces: a URL of http or https with `{traceId}`. Pure. */
export function isTraceUrl(template: string): boolean {
  try {
    const { protocol } = new URL(template);
    return ['http:', 'https:'].includes(protocol) && template.includes('{traceId}');
  } catch {
    return false;
  }
}
