export const CONTENT_SECURITY_POLICY: string;
/** Without these no memory can be shared between threads. */
export const ISOLATION: Readonly<Record<string, string>>;
/** All that is sent with every file. */
export const HEADERS: Readonly<Record<string, string>>;
