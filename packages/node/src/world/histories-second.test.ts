import { playHistories } from "./play.fixture.ts";

playHistories(1_000, 1_000);
