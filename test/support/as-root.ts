/**
 * For what only root can do, such as to change the user or to give files away: skipped, and counted so, for anybody
 * else.
 */
export const itAsRoot = process.getuid?.() === 0 ? it : it.skip;
