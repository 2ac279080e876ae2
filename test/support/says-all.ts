/** The form of an error's text: what was expected, what was found, what to do. */
export const SAYS_ALL = /^expected [\s\S]+[\s,]found [\s\S]+; \S/;
